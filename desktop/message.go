package desktop

// Version is the protocol version. Both sides must agree on it: a hello with
// another one is refused, and the refusal names both.
const Version = 1

// Hello is the first message on a connection, from the guest, with req_id 0.
type Hello struct {
	Protocol   int      `json:"protocol"`           // [Version]
	Agent      string   `json:"agent"`              // the agent's build, for people
	Token      string   `json:"token"`              // [Boot.Token], proof that this is the guest that was booted
	Connection string   `json:"connection"`         // what this connection is, such as [ConnControl]
	Screen     Size     `json:"screen"`             // of the X screen; zero on all connections but ConnControl
	Features   []string `json:"features,omitempty"` // optional powers of this agent
	Restarts   int      `json:"restarts,omitempty"` // how often the agent has been restarted since boot
}

// What a connection is. A guest has a desktop and one ConnControl, or a
// [Workload] and the others, each of them once.
const (
	ConnControl  = "control"  // requests and responses
	ConnWorkload = "workload" // orders and the report: see [Order]
	ConnStdin    = "stdin"    // bytes to the workload's standard input, to the end of the stream
	ConnStdout   = "stdout"   // bytes of its standard output
	ConnStderr   = "stderr"   // bytes of its standard error
	ConnTerminal = "terminal" // bytes to and from its terminal, in the place of the three
)

// Welcome is the host's answer to a [Hello], with req_id 0. When Error is set
// the host closes the connection and the agent must not dial again.
type Welcome struct {
	Protocol int    `json:"protocol"`
	Error    string `json:"error,omitempty"`

	// UnixTime is the host's time, in nanoseconds since 1970, to which the guest
	// advances its clock: that stands still while the guest is saved. It is 0
	// beside an Error and a Resume, which has a time of its own.
	UnixTime int64 `json:"unix_time,omitempty"`

	// Resume tells a guest that it was started from a saved state, which it
	// cannot notice by itself, and what it is from now on. Before the guest
	// answers the first request it has the new token, hostname, clock and
	// randomness, and holds no key or button down.
	Resume *Boot `json:"resume,omitempty"`
}

// ObserveMode says which picture a response carries.
type ObserveMode string

// The modes of observation.
const (
	ObserveNone    ObserveMode = "none"    // no frame
	ObserveNow     ObserveMode = "now"     // the screen as it is when the action has been executed
	ObserveSettled ObserveMode = "settled" // the screen once it has stopped changing
)

// Observe says how to look at the screen after an action. The zero value is
// [ObserveNone].
type Observe struct {
	Mode    ObserveMode `json:"mode,omitempty"`
	QuietMS int         `json:"quiet_ms,omitempty"` // how long nothing must change; 0 is the agent's default
	LimitMS int         `json:"limit_ms,omitempty"` // longest wait for that; 0 is the agent's default
}

// Request is the header of a message from the host. Exactly one of Action and
// Cancel is set. On the wire an Action is its name under "action" and its
// fields under "args".
type Request struct {
	Action  Action
	Observe Observe
	Cancel  uint32 // req_id of a request to cancel; its own answer says cancelled or that it had ended
}

// Response is the header of a message from the guest, with the req_id of the
// request it answers.
//
// The payload holds, in this order and without gaps, the pixels of Frame.Rects,
// the picture of Frame.Cursor, stdout, stderr and data.
type Response struct {
	OK      bool     `json:"ok"`
	Error   *Error   `json:"error,omitempty"` // set exactly when OK is false
	X       *int     `json:"x,omitempty"`     // the pointer after the action, in pixels
	Y       *int     `json:"y,omitempty"`
	Settle  *Settled `json:"settle,omitempty"`
	Frame   *Frame   `json:"frame,omitempty"`
	Exec    *Output  `json:"exec,omitempty"`
	Notices []string `json:"notices,omitempty"` // what the caller must know, such as state that was lost

	File    *File    `json:"file,omitempty"`     // of a [ReadFile] or [WriteFile]
	Listing *Listing `json:"listing,omitempty"`  // of a [ListFiles]
	Windows []Window `json:"windows,omitempty"`  // of a [ListWindows], [ChangeWindow] or [Launch]
	DataLen int      `json:"data_len,omitempty"` // bytes of a file or of copied text in the payload

	Steps []StepResult `json:"steps,omitempty"` // of a [Batch]: of each action that was begun, also when it failed

	PayloadLen int `json:"payload_len,omitempty"`
}

// Settled reports how the wait for a quiet screen ended.
type Settled struct {
	Reason    SettleReason `json:"reason"`
	ElapsedMS int          `json:"elapsed_ms"` // from the end of the input to the end of the wait
	QuietMS   int          `json:"quiet_ms"`   // the quiet time that was waited for
	LimitMS   int          `json:"limit_ms"`   // the longest wait for it
	Changed   bool         `json:"changed"`    // whether anything was drawn in that time

	// Where, at most [MaxSettledRects]: several are merged when there are more.
	Rects []Rect `json:"rects,omitempty"`
}

// MaxSettledRects is how many rectangles a [Settled] tells.
const MaxSettledRects = 16

// SettleReason is why a settle ended.
type SettleReason string

// The reasons.
const (
	SettleQuiet  SettleReason = "quiet"  // nothing changed for the quiet time
	SettleAsleep SettleReason = "asleep" // before that, every program slept and none was about to wake
	SettleLimit  SettleReason = "limit"  // it still changed, or a program was still at work, when the time was up
)

// Frame is one observed picture of the screen, as the difference from the one
// that was sent before on the same connection. Rects are painted in order, and
// their areas together are at most twice that of the screen. In a whole picture
// they are painted on black; only a whole picture may have another Size than
// the frame before.
type Frame struct {
	Number uint64  `json:"number"` // grows with each frame on one connection, from 1
	Base   uint64  `json:"base"`   // the frame sent last, which Rects are applied to; 0 for a whole picture
	Size   Size    `json:"size"`
	Rects  []Patch `json:"rects,omitempty"` // empty when nothing changed
	Cursor *Cursor `json:"cursor,omitempty"`
}

// Patch is one changed rectangle of a [Frame].
type Patch struct {
	Rect     Rect     `json:"rect"`
	Encoding Encoding `json:"enc"`
	Len      int      `json:"len"` // bytes in the payload
}

// Encoding says how the pixels of a [Patch] are stored in the payload. Pixels
// are 4 bytes, blue, green, red and one unused, in rows from the top.
type Encoding string

// The encodings. [AppendPatch] writes them and [DecodePatch] reads them.
const (
	Raw Encoding = "raw" // the pixels as they are
	RLE Encoding = "rle" // literals and runs of equal pixels
)

// Cursor is the pointer's picture and place. It is not part of the pixels of
// a frame. A frame without one leaves the pointer as it was, and a whole picture
// without one shows none. Its payload is
// Size.Width x Size.Height pixels of 4 bytes, blue, green, red, alpha,
// premultiplied, raw. It may be absent (Len 0) when a picture was sent for this
// Serial on this connection and fewer than [CursorShapes] others since; an
// agent that remembers only the serial it sent last does right.
type Cursor struct {
	Pos    Point  `json:"pos"` // of the hot spot, on the screen
	Hot    Point  `json:"hot"` // of the hot spot, in the picture
	Size   Size   `json:"size"`
	Serial uint32 `json:"serial"`
	Len    int    `json:"len,omitempty"`
}

// CursorShapes is how many pictures of the pointer a host remembers: those
// that were sent last.
const CursorShapes = 32

// MaxCursor is the largest width and height of a cursor in pixels.
const MaxCursor = 256

// Output is what an [Exec] answers. What was kept of stdout and then of stderr is in
// the payload of the message.
type Output struct {
	ExitCode    int   `json:"exit_code"` // 128+n after signal n; -1 when it was killed at its time limit
	TimedOut    bool  `json:"timed_out,omitempty"`
	Job         int   `json:"job,omitempty"`     // what names it in [ExecOutput] and [ExecStop]
	Running     bool  `json:"running,omitempty"` // whether the job still runs; ExitCode is 0 then
	StdoutLen   int   `json:"stdout_len"`        // bytes in the payload
	StderrLen   int   `json:"stderr_len"`        // bytes in the payload
	StdoutTotal int64 `json:"stdout_total"`      // bytes that the command wrote; of a job, since it was asked last
	StderrTotal int64 `json:"stderr_total"`
}

// MaxOutput is how much of each of stdout and stderr an [Exec] keeps: the
// first half and the last half of it when there was more.
const MaxOutput = 256 << 10
