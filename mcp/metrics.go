package mcp

import (
	"net/http"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"
)

// metrics are what a server tells Prometheus. They carry names of tools and
// numbers, and nothing of what clients say or see.
type metrics struct {
	registry *prometheus.Registry
	calls    *prometheus.HistogramVec
	boots    *prometheus.HistogramVec
	requests *prometheus.CounterVec
}

func newMetrics() *metrics {
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
		requests: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "vmette_http_requests_total",
			Help: "Requests over HTTP, refusals among them, by status.",
		}, []string{"code", "method"}),
	}
	m.registry.MustRegister(m.calls, m.boots, m.requests,
		collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	return m
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
