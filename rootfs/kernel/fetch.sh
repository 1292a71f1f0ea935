# Runs outside the system ($1), which has depmod and nothing else, with the
# build's apt. Fetches the cloud kernel and brings out the kernel, its modules
# and what the signed index says of the package.
set -eu
export APT_CONFIG="$MMDEBSTRAP_APT_CONFIG"
out="$1/.vmette"
mkdir -p "$out/deb" "$1/.modules/lib"
eval "$(apt-config shell arch APT::Architecture)"
kernel=$(apt-cache depends --important "linux-image-cloud-$arch" | sed -n 's/^ *Depends: \(linux-image-.*\)$/\1/p' | head -n 1)
(cd "$out/deb" && apt-get download -q -o APT::Sandbox::User=root "$kernel")
dpkg-deb -x "$out"/deb/*.deb "$out/kernel"
mv "$out"/kernel/boot/vmlinuz-* "$out/vmlinuz"
mv "$out"/kernel/lib/modules "$1/.modules/lib/"
for dir in "$1"/.modules/lib/modules/*; do
	chroot "$1" depmod -b /.modules "${dir##*/}"
done
apt-cache show "$kernel" | sed '/^$/q' > "$out/packages"
rm -rf "$out/deb" "$out/kernel"
