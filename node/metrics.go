package node

import (
	"context"
	"math/big"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"byway/node/provide"
	"byway/node/wire"
)

// Metrics of a provider, in Prometheus's form, at /metrics of the local API: behind the same token as everything there.
// They are read from [Provider.Status], so that no screen shows another number. Amounts are whole tokens, as floats:
// for graphs, not for accounts.

var (
	metricSessions = prometheus.NewDesc("byway_sessions", "Sessions being served, by state.", []string{"state"}, nil)
	metricTraffic  = prometheus.NewDesc("byway_session_bytes", "Inner bytes of the sessions being served.",
		[]string{"direction"}, nil)
	metricEarnings = prometheus.NewDesc("byway_earnings_tokens", "What was promised, by where it stands.",
		[]string{"state"}, nil)
	metricClaims = prometheus.NewDesc("byway_claims_total", "Claims mined.", nil, nil)
	metricGas    = prometheus.NewDesc("byway_gas_spent_ether", "Ether spent on the gas of claims.", nil, nil)
	metricUp     = prometheus.NewDesc("byway_start_time_seconds", "When the provider started.", nil, nil)
)

// providerMetrics collects them.
type providerMetrics struct{ *provide.Provider }

// statusTimeout bounds one reading of the ledger for the metrics.
const statusTimeout = 5 * time.Second

// Describe implements [prometheus.Collector].
func (p providerMetrics) Describe(out chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{
		metricSessions, metricTraffic, metricEarnings, metricClaims, metricGas, metricUp,
	} {
		out <- d
	}
}

// Collect implements [prometheus.Collector].
func (p providerMetrics) Collect(out chan<- prometheus.Metric) {
	ctx, cancel := context.WithTimeout(context.Background(), statusTimeout)
	defer cancel()
	status, err := p.Status(ctx)
	if err != nil {
		out <- prometheus.NewInvalidMetric(metricEarnings, err)
		return
	}
	gauge := func(d *prometheus.Desc, v float64, labels ...string) {
		out <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, v, labels...)
	}
	byState := map[wire.State]int{}
	var rx, tx uint64
	for _, s := range status.Sessions {
		byState[s.State]++
		rx, tx = rx+s.Rx, tx+s.Tx
	}
	for state := wire.StateOpening; state <= wire.StateClosed; state++ {
		gauge(metricSessions, float64(byState[state]), state.String())
	}
	gauge(metricTraffic, float64(rx), "in")
	gauge(metricTraffic, float64(tx), "out")
	e := status.Earnings
	gauge(metricEarnings, whole(p.Token.Decimals, e.Unsettled.Big()), "unsettled")
	gauge(metricEarnings, whole(p.Token.Decimals, e.Claiming.Big()), "claiming")
	gauge(metricEarnings, whole(p.Token.Decimals, e.Settled.Big()), "settled")
	out <- prometheus.MustNewConstMetric(metricClaims, prometheus.CounterValue, float64(e.Claims))
	if e.GasSpent.Int != nil {
		gauge(metricGas, whole(18, e.GasSpent.Int))
	}
	gauge(metricUp, float64(status.Since.Unix()))
}

// whole is an amount of base units in whole ones, rounded.
func whole(decimals uint8, units *big.Int) float64 {
	scale := new(big.Int).Exp(big.NewInt(10), big.NewInt(int64(decimals)), nil)
	f, _ := new(big.Rat).SetFrac(units, scale).Float64()
	return f
}
