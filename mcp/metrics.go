package mcp

import (
	"errors"
	"net/http"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"github.com/vmette/vmette-mcp/mcp/quota"
	"github.com/vmette/vmette-mcp/sandbox"
)

// metrics are what a server tells Prometheus. They carry names of tools and
// numbers, and nothing of what clients say or see.
type metrics struct {
	registry *prometheus.Registry
	calls    *prometheus.HistogramVec
	boots    *prometheus.HistogramVec
	refused  *prometheus.CounterVec
	requests *prometheus.CounterVec
}

func newMetrics(d Desktops) *metrics {
	m := &metrics{
		registry: prometheus.NewRegistry(),
		calls: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name:    "vmette_call_seconds",
			Help:    "How long calls of tools take.",
			Buckets: []float64{.005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10, 30, 60, 300},
		}, []string{"tool", "outcome"}),
		boots: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name:    "vmette_start_seconds",
			Help:    "How long desktops take to start.",
			Buckets: []float64{.05, .1, .25, .5, 1, 2.5, 5, 10, 20, 40, 80},
		}, []string{"outcome"}),
		refused: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "vmette_refused_calls_total",
			Help: "Calls of tools that a limit stands against, by limit.",
		}, []string{"limit"}),
		requests: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "vmette_http_requests_total",
			Help: "Requests over HTTP, refusals among them, by status.",
		}, []string{"code", "method"}),
	}
	m.registry.MustRegister(m.calls, m.boots, m.refused, m.requests, desktopCount{d}, networkTotals{d},
		collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	return m
}

// desktopCount tells how many desktops there are.
type desktopCount struct{ desktops Desktops }

var desktopsDesc = prometheus.NewDesc("vmette_desktops", "Desktops that there are, by state.", []string{"state"}, nil)

func (desktopCount) Describe(to chan<- *prometheus.Desc) { to <- desktopsDesc }

func (d desktopCount) Collect(to chan<- prometheus.Metric) {
	running, suspended := d.desktops.Count()
	to <- prometheus.MustNewConstMetric(desktopsDesc, prometheus.GaugeValue, float64(running), "running")
	to <- prometheus.MustNewConstMetric(desktopsDesc, prometheus.GaugeValue, float64(suspended), "suspended")
}

// networkTotals tells how much went over the networks of desktops.
type networkTotals struct{ desktops Desktops }

var (
	networkEntriesDesc = prometheus.NewDesc("vmette_network_entries_total",
		"Connections of desktops (tcp, udp, publish), their questions for names (dns), requests that were refused on a connection (http) and packets that were dropped (packet), by verdict.",
		[]string{"kind", "verdict"}, nil)
	networkBytesDesc = prometheus.NewDesc("vmette_network_bytes_total", "Bytes that connections of desktops carried that have ended.", []string{"direction"}, nil)
)

func (networkTotals) Describe(to chan<- *prometheus.Desc) {
	to <- networkEntriesDesc
	to <- networkBytesDesc
}

func (n networkTotals) Collect(to chan<- prometheus.Metric) {
	t := n.desktops.NetworkTotals()
	for what, count := range t.Entries {
		to <- prometheus.MustNewConstMetric(networkEntriesDesc, prometheus.CounterValue, float64(count), what.Kind, what.Verdict)
	}
	to <- prometheus.MustNewConstMetric(networkBytesDesc, prometheus.CounterValue, float64(t.Sent), "sent")
	to <- prometheus.MustNewConstMetric(networkBytesDesc, prometheus.CounterValue, float64(t.Received), "received")
}

// refuse counts a call that failed with err if that is a limit.
func (m *metrics) refuse(err error) {
	var limit *quota.Error
	switch {
	case errors.As(err, &limit):
		m.refused.WithLabelValues("client " + limit.Of).Inc()
	case errors.Is(err, sandbox.ErrCapacity):
		m.refused.WithLabelValues("capacity").Inc()
	}
}

// call counts a call of a tool.
func (m *metrics) call(tool string, failed bool, took time.Duration) {
	m.calls.WithLabelValues(tool, outcome(failed)).Observe(took.Seconds())
}

// start counts the start of a desktop.
func (m *metrics) start(failed bool, took time.Duration) {
	m.boots.WithLabelValues(outcome(failed)).Observe(took.Seconds())
}

func outcome(failed bool) string {
	if failed {
		return "error"
	}
	return "ok"
}

// sessions tells how many sessions there are, which the last transport that is
// served knows.
func (m *metrics) sessions(n func() int) {
	g := prometheus.NewGaugeFunc(prometheus.GaugeOpts{
		Name: "vmette_sessions",
		Help: "Sessions of the protocol over HTTP.",
	}, func() float64 { return float64(n()) })
	m.registry.Unregister(g)
	m.registry.MustRegister(g)
}

// count counts the requests to a handler.
func (m *metrics) count(next http.Handler) http.Handler {
	return promhttp.InstrumentHandlerCounter(m.requests, next)
}
