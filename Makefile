# Bitaxon's commands. Each does its own set-up on Debian 12: missing packages are installed with apt.

PYTHON ?= /usr/bin/python3
BITAXON_WERROR ?= OFF
JOBS ?= $(shell nproc)
SEED ?= 1

BUILD_PACKAGES = g++ cmake ninja-build libtbb-dev libeigen3-dev libcpu-features-dev libfmt-dev \
  nlohmann-json3-dev libxxhash-dev libcli11-dev pybind11-dev python3-dev python3-numpy libgtest-dev \
  libbenchmark-dev libasmjit-dev libmpfr-dev
DEMO_PACKAGES = python3-matplotlib python3-tqdm
BENCH_PACKAGES = python3-numpy python3-scipy python3-matplotlib
TEST_PACKAGES = $(BENCH_PACKAGES) chromium python3-pytest python3-hypothesis python3-mpmath python3-tqdm python3-matplotlib mypy
ARM_PACKAGES = g++ cmake ninja-build g++-aarch64-linux-gnu qemu-user
AVX512_PACKAGES = bochs bochs-term bochsbios vgabios isolinux syslinux-common xorriso cpio binutils

CONFIGURE = cmake --preset release -DBITAXON_WERROR=$(BITAXON_WERROR) -DPython3_EXECUTABLE=$(PYTHON)
RUN_PYTHON = PYTHONPATH=build/python $(PYTHON)

.PHONY: help demo test build bench bench-full bench-peers test-peers test-arm test-avx512 test-asan test-tsan \
  test-dieharder accuracy fuzz clean

help:
	@echo 'make demo        train on real digits, convert to bitstreams, classify, plot'
	@echo 'make test        build everything and run every test that this machine can'
	@echo 'make build       library, Python package (build/python), bench (build/bench/bitaxon-bench)'
	@echo 'make bench       every kernel and layer on every tier against measured limits, quick: build/bench.html'
	@echo 'make bench-full  the same on larger arrays, half an hour; both take SAVE=name and BASELINE=name'
	@echo 'make test-arm    cross-build for AArch64 and run the C++ tests under qemu'
	@echo 'make test-avx512 tests of the AVX-512 code on a CPU that bochs emulates (long)'
	@echo 'make test-asan   C++ tests under AddressSanitizer and UndefinedBehaviorSanitizer'
	@echo 'make test-tsan   C++ tests under ThreadSanitizer, with a oneTBB built for it'
	@echo 'make test-dieharder  the random generator under dieharder (long)'
	@echo 'make bench-peers the same work by others: NumPy, Eigen, SC-NeuroCore, Brian2, Tokio, ..., interleaved'
	@echo 'make test-peers  the built-in neuron rules against Brian2'
	@echo 'make accuracy    errors of the expression functions: 1e7 samples, every float (long)'
	@echo 'make fuzz        ten minutes of random texts and random graphs'
	@echo 'make clean       remove build/'

demo:
	@scripts/install-packages $(BUILD_PACKAGES) $(DEMO_PACKAGES)
	$(CONFIGURE)
	cmake --build build -j $(JOBS) --target bitaxon_python
	$(RUN_PYTHON) examples/digits/digits.py --output build/digits.png

test:
	@scripts/install-packages $(BUILD_PACKAGES) $(TEST_PACKAGES)
	$(CONFIGURE)
	cmake --build build -j $(JOBS)
	ctest --preset release -j $(JOBS)
	@echo 'NEON: skipped here; make test-arm runs it under qemu'
	@echo 'AVX-512: skipped if this CPU lacks it; make test-avx512 runs it under bochs'

build:
	@scripts/install-packages $(BUILD_PACKAGES)
	$(CONFIGURE)
	cmake --build build -j $(JOBS)

# make bench SAVE=before; make bench BASELINE=before
BENCH = $(PYTHON) bench/run $(if $(SAVE),--save-baseline $(SAVE)) $(if $(BASELINE),--baseline $(BASELINE))

bench: build
	@scripts/install-packages $(BENCH_PACKAGES)
	$(BENCH) --quick

bench-full: build
	@scripts/install-packages $(BENCH_PACKAGES)
	$(BENCH)
	$(RUN_PYTHON) bench/forward_from_python.py
	$(RUN_PYTHON) bench/cancel_from_python.py

bench-peers: build
	@scripts/install-packages python3-numexpr python3-numba python3-brian python3-venv
	$(RUN_PYTHON) bench/peers/head_to_head --json build/peers.json
	$(RUN_PYTHON) bench/peers/expressions.py --json build/expression-peers.json

test-peers: build
	@scripts/install-packages $(TEST_PACKAGES) python3-brian
	$(RUN_PYTHON) -m pytest -q -p no:cacheprovider tests/python/test_brian2.py

accuracy: build
	scripts/accuracy build

fuzz: build
	build/tests/bitaxon_fuzz_parser seconds=300 seed=$(SEED)
	build/tests/bitaxon_fuzz_machine_code seconds=300 seed=$(SEED)

test-arm:
	@scripts/install-packages $(ARM_PACKAGES)
	scripts/arm-sysroot build/arm-sysroot
	cmake --preset arm -DBITAXON_WERROR=$(BITAXON_WERROR)
	cmake --build --preset arm -j $(JOBS)
	ctest --preset arm -j $(JOBS)
	@echo 'skipped:' && sed -n '/listed below/!s/^\[  SKIPPED \] \(.*[^)]\)$$/  \1/p' build/arm/Testing/Temporary/LastTest.log

test-avx512:
	@scripts/install-packages $(BUILD_PACKAGES) $(AVX512_PACKAGES)
	$(CONFIGURE)
	cmake --build build -j $(JOBS) --target bitaxon_test_kernels bitaxon_test_core bitaxon_test_jit \
	  bitaxon_test_layers bitaxon_fuzz_machine_code
	scripts/avx512-machine build

test-asan:
	@scripts/install-packages $(BUILD_PACKAGES)
	cmake --preset asan-ubsan -DBITAXON_WERROR=$(BITAXON_WERROR)
	cmake --build --preset asan-ubsan -j $(JOBS)
	ctest --preset asan-ubsan

test-tsan:
	@scripts/install-packages $(BUILD_PACKAGES) dpkg-dev patch
	scripts/tsan-tbb build/tsan-tbb
	cmake --preset tsan -DBITAXON_WERROR=$(BITAXON_WERROR)
	cmake --build --preset tsan -j $(JOBS)
	BITAXON_STRESS_SECONDS=60 ctest --preset tsan

test-dieharder: build
	@scripts/install-packages dieharder
	scripts/dieharder build

clean:
	rm -rf build
