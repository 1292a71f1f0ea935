# Runs outside the image ($1) with the build's apt. Fetches the cloud kernel,
# keeps its modules in the image and brings out the kernel and the list of
# packages.
set -eu
export APT_CONFIG="$MMDEBSTRAP_APT_CONFIG"
out="$1/.vmette"
mkdir -p "$out/deb"
arch=$(chroot "$1" dpkg --print-architecture)
kernel=$(apt-cache depends --important "linux-image-cloud-$arch" | sed -n 's/^ *Depends: \(linux-image-.*\)$/\1/p' | head -n 1)
(cd "$out/deb" && apt-get download -q -o APT::Sandbox::User=root "$kernel")
dpkg-deb -x "$out"/deb/*.deb "$out/kernel"
mv "$out"/kernel/boot/vmlinuz-* "$out/vmlinuz"
mkdir -p "$1/usr/lib/modules"
mv "$out"/kernel/lib/modules/* "$1/usr/lib/modules/"
for dir in "$1"/usr/lib/modules/*; do
	chroot "$1" depmod "${dir##*/}"
done
chroot "$1" dpkg-query -W -f '${Package}:${Architecture}=${Version}\n' |
	sed 's/:all=/=/' | xargs apt-cache show > "$out/packages"
echo >> "$out/packages"
apt-cache show "$kernel" | sed '/^$/q' >> "$out/packages"
rm -rf "$out/deb" "$out/kernel"
