# Runs outside the image ($1) after the packages and our files are in it.
set -eu
chroot "$1" sh -eu <<'IN'
if [ -x /usr/sbin/locale-gen ]; then
	localedef -i en_US -c -f UTF-8 -A /usr/share/locale/locale.alias en_US.UTF-8
	rm -rf /usr/share/i18n
	echo LANG=en_US.UTF-8 > /etc/default/locale
else
	echo LANG=C.UTF-8 > /etc/default/locale
fi
cat /etc/X11/app-defaults/XTerm.vmette >> /etc/X11/app-defaults/XTerm
rm /etc/X11/app-defaults/XTerm.vmette
[ ! -e /etc/skel/.config ] || mkdir -p /etc/skel/Desktop /etc/skel/Documents /etc/skel/Downloads
useradd --create-home --uid 1000 --user-group --groups audio,video --shell /bin/bash --comment User user

# The same on every host, and no trace of the one that built it.
echo desktop > /etc/hostname
: > /etc/resolv.conf
: > /etc/machine-id
rm -f /var/lib/dbus/machine-id
ln -s /etc/machine-id /var/lib/dbus/machine-id
printf '127.0.0.1\tlocalhost desktop\n::1\tlocalhost\n' > /etc/hosts

# Programs find these caches ready instead of making them at their first start.
# fontconfig believes a font cache when its directory is as old as it was then, and
# the image will have none that is younger than this.
find -L /usr/share/fonts /usr/local/share/fonts -type d -exec touch -d "@$SOURCE_DATE_EPOCH" {} +
fc-cache --system-only --force
[ ! -x /usr/bin/update-desktop-database ] || update-desktop-database -q
for theme in /usr/share/icons/*/index.theme; do
	[ ! -x /usr/sbin/update-icon-caches ] || update-icon-caches "${theme%/index.theme}"
done
# Python does not compile these to the same bytes each time.
rm -rf /usr/share/python3/debpython/__pycache__
rm -rf /var/log/* /var/cache/debconf/*-old /var/lib/dpkg/*-old /var/cache/ldconfig/aux-cache
mkdir -p /var/log/vmette
IN
echo "vmette: tree $(du -sk --exclude=.vmette "$1" | cut -f 1) KiB" >&2
