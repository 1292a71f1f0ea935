package desktop

// Authority is a certificate authority that the guest trusts beside those of its
// image.
type Authority struct {
	Certificate []byte `json:"certificate"`  // its certificate, in DER
	SubjectHash uint32 `json:"subject_hash"` // of its name, by which OpenSSL looks for it: see X509_NAME_hash(3)
}

// Bounds of [Boot.Authorities].
const (
	MaxAuthorities    = 128
	MaxAuthorityBytes = 256 << 10 // of all certificates
)
