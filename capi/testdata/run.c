/* Runs a command: run KERNEL INITRAMFS ROOT COMMAND [rw]; exits as the command does, or
 * with 200 and the status. */
#include <stdio.h>
#include "vmette.h"

int main(int argc, char **argv) {
	if (argc != 5 && argc != 6)
		return 199;
	vmette_config_t *cfg = vmette_config_new(argv[1], argv[2]);
	if (!cfg)
		return 200 + VMETTE_NULL_ARG;
	vmette_run_output_t *out = NULL;
	vmette_status_t s = vmette_config_set_rootfs_share(cfg, argv[3], argc == 5);
	if (s == VMETTE_OK)
		s = vmette_config_set_exec(cfg, argv[4]);
	if (s == VMETTE_OK)
		s = vmette_config_add_env(cfg, "GREETING", "from C");
	if (s == VMETTE_OK)
		s = vmette_config_set_mem_mib(cfg, 512);
	if (s == VMETTE_OK)
		s = vmette_config_set_timeout(cfg, 120000);
	if (s == VMETTE_OK)
		s = vmette_run(cfg, &out);
	vmette_config_free(cfg);
	int code = s == VMETTE_OK ? vmette_run_output_exit_code(out) : 200 + (int)s;
	vmette_run_output_free(out);
	return code;
}
