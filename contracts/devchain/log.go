package devchain

import (
	"context"
	"log/slog"

	"github.com/ethereum/go-ethereum/log"
)

// quiet passes go-ethereum's records on one step below their level: what a node finds worth telling its operator is a
// detail to somebody who merely embeds one.
type quiet struct{ slog.Handler }

func (q quiet) Enabled(ctx context.Context, level slog.Level) bool {
	return q.Handler.Enabled(ctx, quieter(level))
}

func (q quiet) Handle(ctx context.Context, r slog.Record) error {
	r.Level = quieter(r.Level)
	return q.Handler.Handle(ctx, r)
}

func (q quiet) WithAttrs(attrs []slog.Attr) slog.Handler { return quiet{q.Handler.WithAttrs(attrs)} }
func (q quiet) WithGroup(name string) slog.Handler       { return quiet{q.Handler.WithGroup(name)} }

func quieter(level slog.Level) slog.Level {
	if level < slog.LevelError {
		return level - 4
	}
	return level
}

// nodeLogger hides the library's own logger type, without which [log.SetDefault] would replace the process's default
// slog logger as well.
type nodeLogger struct{ log.Logger }

// routeLogs sends go-ethereum's records to l. Most of the library logs through one global, which starts out silent:
// with several chains in one process the last one that brought a logger receives the global's records.
func routeLogs(l *slog.Logger) log.Logger {
	if l == nil {
		return nodeLogger{log.NewLogger(slog.DiscardHandler)}
	}
	n := nodeLogger{log.NewLogger(quiet{l.Handler()})}
	log.SetDefault(n)
	return n
}
