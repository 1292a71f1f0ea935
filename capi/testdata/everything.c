/* Runs a command in a sandbox that has everything, and then one whose time is up:
 * everything KERNEL INITRAMFS ROOT SHARE DISK COMMAND; exits as the first command does,
 * or with 200 and the status, or with 198 if the second one was not ended in time. */
#include <stdio.h>
#include "vmette.h"

int main(int argc, char **argv) {
	if (argc != 7)
		return 199;
	vmette_config_t *cfg = vmette_config_new(argv[1], argv[2]);
	if (!cfg)
		return 200 + VMETTE_NULL_ARG;
	vmette_run_output_t *out = NULL;
	vmette_status_t s = vmette_config_set_rootfs_share(cfg, argv[3], true);
	if (s == VMETTE_OK)
		s = vmette_config_add_share(cfg, "here", argv[4]);
	if (s == VMETTE_OK)
		s = vmette_config_add_disk(cfg, argv[5], true);
	if (s == VMETTE_OK)
		s = vmette_config_set_scratch_mib(cfg, 64);
	if (s == VMETTE_OK)
		s = vmette_config_set_mem_mib(cfg, 512);
	if (s == VMETTE_OK)
		s = vmette_config_set_vcpus(cfg, 1);
	if (s == VMETTE_OK)
		s = vmette_config_set_exec(cfg, argv[6]);
	if (s == VMETTE_OK)
		s = vmette_run(cfg, &out);
	int code = s == VMETTE_OK ? vmette_run_output_exit_code(out) : 200 + (int)s;
	vmette_run_output_free(out);
	if (s == VMETTE_OK) {
		vmette_config_set_exec(cfg, "while :; do :; done");
		vmette_config_set_timeout(cfg, 1);
		if (vmette_run(cfg, &out) != VMETTE_TIMEOUT || out)
			code = 198;
	}
	vmette_config_free(cfg);
	return code;
}
