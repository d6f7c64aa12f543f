# SPDX-License-Identifier: GPL-2.0-only
#
# Chariot: isolates faulty kernel drivers inside a virtual machine. "make help" lists what can be made.

KDIR ?= /lib/modules/$(shell uname -r)/build
LAB := selftests/lab/lab

.PHONY: all modules install clean help qemu check check-long check-full check-matrix check-drivers check-oracle check-debug demo bench bench-modes lab

all: modules

modules:
	$(MAKE) -C $(KDIR) M=$(CURDIR) modules

install: modules
	$(MAKE) -C $(KDIR) M=$(CURDIR) modules_install

clean:
	-$(MAKE) -C $(KDIR) M=$(CURDIR) clean
	rm -rf build

# The lab is Python: the one thing that a bare Debian may lack before the lab can install the rest itself.
lab:
	@command -v python3 >/dev/null || { apt-get update -q && apt-get install -y -q --no-install-recommends python3; }

qemu: lab
	$(LAB) build qemu

check: lab
	$(LAB) check

check-long: lab
	$(LAB) check --target long

check-full: lab
	$(LAB) check --target full

check-matrix: lab
	$(LAB) matrix

check-drivers: lab
	$(LAB) drivers

check-oracle: lab
	$(LAB) oracle

check-debug: lab
	$(LAB) debug

demo: lab
	$(LAB) demo

bench: lab
	selftests/bench/run

bench-modes: lab
	selftests/bench/run --modes

help:
	@echo 'For use, with the headers of the kernel in KDIR (default: the running one):'
	@echo '  all, modules  the host module kvm-chariot.ko and the guest agent chariot-agent.ko'
	@echo '  install       install both for that kernel'
	@echo '  clean         remove what was built here (the cache in ~/.cache/chariot stays)'
	@echo ''
	@echo 'With the lab, as root on Debian 12 or later; these install and build all that they need:'
	@echo '  demo          a driver with a wild write: without Chariot, and with it'
	@echo '  check         every test; ends with "N passed, N failed, N skipped"'
	@echo '  check-long    the same, with the scenarios that take long'
	@echo '  check-full    the same, with those that take very long: whole machines on the Intel emulator'
	@echo '  check-matrix  each mode of KVM, on each kernel, with each test; the table is docs/matrix.md. Takes hours'
	@echo '  check-drivers drivers of every class at work, isolated; the table is docs/drivers.md'
	@echo '  check-oracle  every store of drivers of several classes, judged by an oracle; the table is docs/oracle.md'
	@echo '  check-debug   the kselftests on kernels with lockdep and KASAN, and with KCSAN, which are built first. Takes hours'
	@echo '  bench         what isolation costs, as a table'
	@echo '  bench-modes   the same in each mode of KVM, side by side; the table is docs/costs.md'
	@echo '  qemu          QEMU with the chariot-pci device, in build/lab/products/qemu'
	@echo '  $(LAB) --help  the lab itself: single scenarios, shells, scripts'
