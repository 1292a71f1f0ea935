package machine

import (
	"errors"
	"os"
	"path/filepath"

	"github.com/vmette/vmette-mcp/desktop"
)

// browserPolicy is what Chromium and Chrome are told. A network that looks at whom a
// connection is for refuses encrypted ClientHellos, and these browsers otherwise send
// a sham one with each connection, which nobody can tell from a real one. Names are
// asked of the guest's name server alone, so they need not try another.
const browserPolicy = `{"EncryptedClientHelloEnabled": false, "DnsOverHttpsMode": "off"}
`

// SetBrowserPolicy writes it where the browsers look for it, which an image may not
// have yet, and has them trust authorities.
func SetBrowserPolicy(root string, authorities []desktop.Authority) error {
	policies := map[string][]byte{"vmette.json": []byte(browserPolicy)}
	if len(authorities) > 0 {
		trust, err := trustPolicy(authorities)
		if err != nil {
			return err
		}
		policies["vmette-authorities.json"] = trust
	}
	var errs []error
	for _, dir := range []string{"etc/chromium/policies/managed", "etc/opt/chrome/policies/managed"} {
		dir = filepath.Join(root, dir)
		errs = append(errs, os.MkdirAll(dir, 0o755))
		for name, policy := range policies {
			errs = append(errs, os.WriteFile(filepath.Join(dir, name), policy, 0o644))
		}
	}
	return errors.Join(errs...)
}
