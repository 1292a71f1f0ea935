/* Gives every function what it should not get. It ends with 0 if each answered as
 * vmette.h says; what a sanitizer finds ends it otherwise. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "vmette.h"

static int failed;

#define CHECK(what, want)                                                        \
	do {                                                                     \
		long got = (long)(what);                                         \
		if (got != (long)(want)) {                                       \
			printf("%s: %ld, want %ld\n", #what, got, (long)(want)); \
			failed = 1;                                              \
		}                                                                \
	} while (0)

int main(void) {
	const char *bad = "\xff\xfe";
	vmette_run_output_t *out = (vmette_run_output_t *)&failed;

	CHECK(vmette_config_new(NULL, "i") == NULL, 1);
	CHECK(vmette_config_new("k", NULL) == NULL, 1);
	CHECK(vmette_config_new("k", bad) == NULL, 1);
	vmette_config_free(NULL);
	vmette_run_output_free(NULL);
	CHECK(vmette_run_output_exit_code(NULL), -1);
	CHECK(strlen(vmette_version()) > 0, 1);

	/* No config at all. */
	CHECK(vmette_config_set_cmdline(NULL, "a"), VMETTE_NULL_ARG);
	CHECK(vmette_config_set_rootfs_share(NULL, "/", true), VMETTE_NULL_ARG);
	CHECK(vmette_config_add_share(NULL, "t", "/"), VMETTE_NULL_ARG);
	CHECK(vmette_config_add_env(NULL, "k", "v"), VMETTE_NULL_ARG);
	CHECK(vmette_config_add_disk(NULL, "/d", false), VMETTE_NULL_ARG);
	CHECK(vmette_config_set_exec(NULL, "true"), VMETTE_NULL_ARG);
	CHECK(vmette_config_set_net(NULL, "none"), VMETTE_NULL_ARG);
	CHECK(vmette_config_set_switch_root(NULL, true), VMETTE_NULL_ARG);
	CHECK(vmette_config_set_vsock_port(NULL, 0), VMETTE_NULL_ARG);
	CHECK(vmette_config_set_guest_vsock_port(NULL, 0), VMETTE_NULL_ARG);
	CHECK(vmette_config_set_timeout(NULL, 0), VMETTE_NULL_ARG);
	CHECK(vmette_config_set_vcpus(NULL, 0), VMETTE_NULL_ARG);
	CHECK(vmette_config_set_mem_mib(NULL, 0), VMETTE_NULL_ARG);
	CHECK(vmette_config_set_scratch_mib(NULL, 0), VMETTE_NULL_ARG);
	CHECK(vmette_config_set_build_snapshot(NULL, ""), VMETTE_NULL_ARG);
	CHECK(vmette_config_set_resume_snapshot(NULL, ""), VMETTE_NULL_ARG);
	CHECK(vmette_run(NULL, &out), VMETTE_NULL_ARG);
	CHECK(out == NULL, 1);

	/* No strings, or such as are not UTF-8. */
	vmette_config_t *cfg = vmette_config_new("/nowhere/kernel", "/nowhere/initramfs");
	CHECK(cfg != NULL, 1);
	CHECK(vmette_config_set_cmdline(cfg, NULL), VMETTE_NULL_ARG);
	CHECK(vmette_config_set_cmdline(cfg, bad), VMETTE_INVALID_UTF8);
	CHECK(vmette_config_set_rootfs_share(cfg, NULL, true), VMETTE_NULL_ARG);
	CHECK(vmette_config_set_rootfs_share(cfg, bad, true), VMETTE_INVALID_UTF8);
	CHECK(vmette_config_add_share(cfg, "t", NULL), VMETTE_NULL_ARG);
	CHECK(vmette_config_add_share(cfg, bad, "/"), VMETTE_INVALID_UTF8);
	CHECK(vmette_config_add_env(cfg, NULL, "v"), VMETTE_NULL_ARG);
	CHECK(vmette_config_add_env(cfg, "k", bad), VMETTE_INVALID_UTF8);
	CHECK(vmette_config_add_disk(cfg, NULL, true), VMETTE_NULL_ARG);
	CHECK(vmette_config_add_disk(cfg, bad, true), VMETTE_INVALID_UTF8);
	CHECK(vmette_config_set_exec(cfg, NULL), VMETTE_NULL_ARG);
	CHECK(vmette_config_set_exec(cfg, bad), VMETTE_INVALID_UTF8);
	CHECK(vmette_config_set_net(cfg, NULL), VMETTE_NULL_ARG);
	CHECK(vmette_config_set_net(cfg, bad), VMETTE_INVALID_UTF8);
	CHECK(vmette_config_set_build_snapshot(cfg, NULL), VMETTE_NULL_ARG);
	CHECK(vmette_config_set_resume_snapshot(cfg, bad), VMETTE_INVALID_UTF8);
	CHECK(vmette_run(cfg, NULL), VMETTE_NULL_ARG);

	/* What only vmette_run can judge. */
	CHECK(vmette_run(cfg, &out), VMETTE_INVALID_CONFIG); /* no command */
	CHECK(out == NULL, 1);
	CHECK(vmette_config_set_exec(cfg, "true"), VMETTE_OK);
	CHECK(vmette_run(cfg, &out), VMETTE_INVALID_CONFIG); /* no root */
	CHECK(vmette_config_set_rootfs_share(cfg, "/dev/null", false), VMETTE_OK);
	CHECK(vmette_run(cfg, &out), VMETTE_INVALID_CONFIG); /* no directory to write to */
	CHECK(vmette_config_set_rootfs_share(cfg, "/nowhere/root", true), VMETTE_OK);
	CHECK(vmette_run(cfg, &out), VMETTE_IO); /* no such root */
	CHECK(vmette_config_set_mem_mib(cfg, 1), VMETTE_OK);
	CHECK(vmette_run(cfg, &out), VMETTE_INVALID_CONFIG);
	CHECK(vmette_config_set_mem_mib(cfg, 0), VMETTE_OK);
	CHECK(vmette_config_set_net(cfg, "wide open"), VMETTE_OK);
	CHECK(vmette_run(cfg, &out), VMETTE_INVALID_CONFIG);
	CHECK(vmette_config_set_net(cfg, "none"), VMETTE_OK);
	CHECK(vmette_config_set_timeout(cfg, UINT64_MAX), VMETTE_OK);
	CHECK(vmette_run(cfg, &out), VMETTE_INVALID_CONFIG);
	CHECK(vmette_config_set_timeout(cfg, 0), VMETTE_OK);
	CHECK(vmette_config_set_vsock_port(cfg, 80), VMETTE_OK);
	CHECK(vmette_run(cfg, &out), VMETTE_INVALID_CONFIG);
	CHECK(vmette_config_set_vsock_port(cfg, 0), VMETTE_OK);
	CHECK(vmette_config_set_build_snapshot(cfg, "/nowhere/snapshot"), VMETTE_OK);
	CHECK(vmette_run(cfg, &out), VMETTE_SNAPSHOT_UNSUPPORTED);
	CHECK(out == NULL, 1);

	/* Handles that are none any more, or never were. */
	vmette_config_free(cfg);
	vmette_config_free(cfg);
	CHECK(vmette_config_set_exec(cfg, "true"), VMETTE_NULL_ARG);
	CHECK(vmette_run(cfg, &out), VMETTE_NULL_ARG);
	vmette_config_free((vmette_config_t *)&failed);
	vmette_run_output_free((vmette_run_output_t *)&failed);
	CHECK(vmette_run_output_exit_code((vmette_run_output_t *)&failed), -1);

	/* Long strings, and many of them: nothing is left of them. */
	char *big = malloc(1 << 20);
	memset(big, 'a', 1 << 20);
	big[(1 << 20) - 1] = 0;
	for (int i = 0; i < 100; i++) {
		vmette_config_t *c = vmette_config_new(big, big);
		CHECK(vmette_config_add_env(c, "k", big), VMETTE_OK);
		vmette_config_free(c);
	}
	free(big);
	return failed;
}
