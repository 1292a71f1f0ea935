// Package proxy has the connections of sandboxes leave through the HTTP proxy of the
// host, where that is the only way out:
//
//	d, err := proxy.FromEnvironment(logger)
//	if err != nil {
//		return err
//	}
//	if d != nil {
//		cfg.Dial = d.Dial
//	}
//
// The proxy is asked, by CONNECT, for the address that the policy has judged and never
// for a name, which it might resolve to something else. Guests cannot tell that it is
// there, and cannot talk to it.
package proxy
