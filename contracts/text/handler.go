package text

import (
	"context"
	"fmt"
	"log/slog"
)

// Handler is a [slog.Handler] that makes messages, keys and values safe before the one behind it writes them, whatever
// that one does with them.
type Handler struct{ to slog.Handler }

// NewHandler writes to h.
func NewHandler(h slog.Handler) Handler { return Handler{h} }

// Enabled implements [slog.Handler].
func (h Handler) Enabled(ctx context.Context, l slog.Level) bool { return h.to.Enabled(ctx, l) }

// Handle implements [slog.Handler].
func (h Handler) Handle(ctx context.Context, r slog.Record) error {
	out := slog.NewRecord(r.Time, r.Level, Lines(r.Message), r.PC)
	r.Attrs(func(a slog.Attr) bool {
		out.AddAttrs(safeAttr(a))
		return true
	})
	return h.to.Handle(ctx, out)
}

// WithAttrs implements [slog.Handler].
func (h Handler) WithAttrs(attrs []slog.Attr) slog.Handler {
	out := make([]slog.Attr, len(attrs))
	for i, a := range attrs {
		out[i] = safeAttr(a)
	}
	return Handler{h.to.WithAttrs(out)}
}

// WithGroup implements [slog.Handler].
func (h Handler) WithGroup(name string) slog.Handler { return Handler{h.to.WithGroup(Safe(name))} }

func safeAttr(a slog.Attr) slog.Attr {
	a.Key = Safe(a.Key)
	v := a.Value.Resolve()
	switch v.Kind() {
	case slog.KindString:
		v = slog.StringValue(Lines(v.String()))
	case slog.KindGroup:
		group := v.Group()
		out := make([]slog.Attr, len(group))
		for i, member := range group {
			out[i] = safeAttr(member)
		}
		v = slog.GroupValue(out...)
	case slog.KindAny:
		switch any := v.Any().(type) {
		case error:
			v = slog.StringValue(Lines(any.Error()))
		case fmt.Stringer:
			v = slog.StringValue(Lines(any.String()))
		default:
			v = slog.StringValue(Lines(fmt.Sprint(any)))
		}
	default: // numbers, times and the like
	}
	a.Value = v
	return a
}
