#!/usr/bin/busybox sh
# The first process of the virtual machine: makes it a machine, then lets the judge run.
# ttyS0 is the console, ttyS1 carries the report and nothing else.

/usr/bin/busybox mkdir -p /usr/lib/busybox
/usr/bin/busybox --install -s /usr/lib/busybox
export PATH=/usr/sbin:/usr/bin:/usr/lib/busybox HOME=/root

mount -t devtmpfs dev /dev
mount -t proc proc /proc
mount -t sysfs sys /sys
mount -t tmpfs run /run
# No file system of its own: the tests' data may lie below it, if the sources do.
mkdir -p /tmp && chmod 1777 /tmp
ln -s /proc/self/fd /dev/fd

while read -r module; do
    insmod "/modules/$module" || echo "cannot load $module"
done </modules/order
# As udev would.
chmod 0666 /dev/net/tun
/usr/bin/ip link set lo up

if grep -qw kraud.shell /proc/cmdline; then
    echo "The judge is \`/usr/bin/xtask guest\`; \`poweroff -f\` or Ctrl-A X ends this."
    setsid -c /usr/bin/sh
else
    stty -F /dev/ttyS1 raw 115200
    /usr/bin/xtask guest >/dev/ttyS1
fi
poweroff -f
