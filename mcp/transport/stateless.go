package transport

import (
	"encoding/json"
	"net/http"

	"github.com/vmette/vmette-mcp/mcp/rpc"
)

// metaProtocol is where a message of revision 2026-07-28 says what revision it is of.
const metaProtocol = "io.modelcontextprotocol/protocolVersion"

// codeHeader is the error of a header that does not go with its message, and
// the other errors of revision 2026-07-28 that are the client's fault.
const (
	codeHeader      = -32020
	codeCapability  = -32021
	codeUnsupported = -32022
)

// metaVersion returns the revision that a message says that it is of, "" when it
// does not.
func metaVersion(m *rpc.Message) string {
	var p struct {
		Meta map[string]json.RawMessage `json:"_meta"`
	}
	var version string
	if m.Params == nil || json.Unmarshal(m.Params, &p) != nil || json.Unmarshal(p.Meta[metaProtocol], &version) != nil {
		return ""
	}
	return version
}

// postStateless handles a message of revision 2026-07-28, which stands for
// itself. Its handling ends with its connection.
func (t *Transport) postStateless(w http.ResponseWriter, r *http.Request, c *charge, m *rpc.Message, header, meta string) {
	wrong := func(code int, why string) { fail(w, http.StatusBadRequest, m.ID, code, why) }
	switch {
	case m.IsAnswer():
		wrong(rpc.CodeInvalid, "revision "+stateless+" of the protocol asks clients nothing: there is nothing to answer")
		return
	case r.Header.Get(headerLastEvent) != "":
		wrong(codeHeader, "streams cannot be resumed in revision "+stateless+": send the request again with a new id")
		return
	case !m.IsRequest() && header != "":
		// A notification need not repeat the revision in its body.
	case header == "":
		wrong(codeHeader, "there is no "+headerVersion+" header: send the revision that _meta names")
		return
	case meta == "":
		wrong(rpc.CodeInvalidParams, "there is no "+metaProtocol+" in _meta: send the revision that the header names")
		return
	case header != meta:
		wrong(codeHeader, "the header "+headerVersion+" names another revision than _meta")
		return
	}
	ctx := rpc.WithHeader(r.Context(), r.Header)
	peer := rpc.NewPeer(rpc.Config{Handler: t.cfg.Backend.Handle, Logger: t.log})
	if !m.IsRequest() {
		peer.Receive(ctx, m, nil)
		w.WriteHeader(http.StatusAccepted)
		return
	}
	c.use()
	s := newStream("", false, c.release)
	s.count = c.account.Keep
	defer s.forget()
	peer.Receive(ctx, m, s)
	t.respond(w, r, s, false, statusOf)
	// The request has been answered, or nobody waits for that.
	if err := peer.Close(r.Context()); err != nil && r.Context().Err() == nil {
		t.log.Warn("a request did not end as it should", "err", err)
	}
}

// statusOf returns the status of an answer by its error code, so that what is on
// the way to the client can tell errors without reading it.
func statusOf(code int) int {
	switch code {
	case 0, rpc.CodeInternal:
		return http.StatusOK
	case rpc.CodeNoMethod:
		return http.StatusNotFound
	case rpc.CodeBusy:
		return http.StatusServiceUnavailable
	case rpc.CodeParse, rpc.CodeInvalid, rpc.CodeInvalidParams, codeHeader, codeCapability, codeUnsupported:
		return http.StatusBadRequest
	}
	return http.StatusOK
}
