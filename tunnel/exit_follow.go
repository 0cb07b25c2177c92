package tunnel

import (
	"context"
	"slices"
	"time"

	"byway/tunnel/forward"
)

// The host is asked again when its kernel tells of a change, and every followEvery, should that have been missed.
const followEvery = 15 * time.Second

// follow keeps what is near up to date until the exit closes.
func (e *Exit) follow() error {
	if err := e.policy.speakTo(e.log); err != nil {
		return err
	}
	changes, err := forward.WatchHost(e.ctx)
	if err != nil {
		return err
	}
	if err := e.nearby(); err != nil { // what changed before the watch began
		return err
	}
	e.wg.Go(func() { e.followHost(changes) })
	e.wg.Go(e.followNAT64)
	e.wg.Go(e.followPolicy)
	return nil
}

// nearby asks the host and gives the router what the policy makes of it.
func (e *Exit) nearby() error {
	if err := e.policy.readHost(); err != nil {
		return err
	}
	if e.kernel == nil {
		return nil
	}
	return e.kernel.router.Near(e.policy.nearRules())
}

func (e *Exit) followHost(changes <-chan struct{}) {
	t := time.NewTicker(followEvery)
	defer t.Stop()
	for {
		select {
		case <-e.ctx.Done():
			return
		case _, ok := <-changes:
			if !ok {
				changes = nil
				if e.ctx.Err() == nil {
					e.log.Warn("changes of the host's network are noticed late", "every", followEvery)
				}
				continue
			}
		case <-t.C:
			if changes == nil {
				if again, err := forward.WatchHost(e.ctx); err == nil {
					changes = again
				}
			}
		}
		start := time.Now()
		if err := e.nearby(); err != nil {
			e.log.Warn("exit keeps the host's addresses and networks as it knew them", "error", err)
		}
		if e.kernel != nil {
			if err := e.kernel.router.Refresh(); err != nil {
				e.log.Warn("exit keeps the host's uplinks as they were", "error", err)
			}
		}
		select {
		case <-e.ctx.Done():
			return
		case <-time.After(forward.Rest(time.Since(start))):
		}
	}
}

// followPolicy gives the router what the policy learned from others than the host.
func (e *Exit) followPolicy() {
	if e.kernel == nil {
		return
	}
	for {
		changed := e.policy.changes() // before it is asked, so that no change falls between
		if err := e.kernel.router.Near(e.policy.nearRules()); err != nil {
			e.log.Warn("the kernel keeps what was near as it was; the exit's own check knows better", "error", err)
		}
		select {
		case <-e.ctx.Done():
			return
		case <-changed:
		}
	}
}

// followNAT64 asks the resolvers for prefixes of NAT64, where the host has IPv6 at all.
func (e *Exit) followNAT64() {
	network, due := e.policy.network(), time.Now()
	for {
		changed := e.policy.changes()
		if now := e.policy.network(); now != network {
			network, due = now, time.Now() // another network may have other resolvers
		}
		wait := time.NewTimer(time.Until(due))
		select {
		case <-e.ctx.Done():
			wait.Stop()
			return
		case <-changed:
			wait.Stop()
			continue
		case <-wait.C:
		}
		due = time.Now().Add(nat64Every)
		if !e.policy.hasIPv6() {
			e.policy.setNAT64(nil)
			continue
		}
		resolvers, err := systemResolvers()
		if err != nil && len(e.dns.fixed) == 0 {
			e.log.Debug("nat64 prefixes are not known", "error", err)
			due = time.Now().Add(nat64Retry)
			continue
		}
		ctx, cancel := context.WithTimeout(e.ctx, nat64Retry)
		found, err := findNAT64(ctx, append(slices.Clone(e.dns.fixed), resolvers...))
		cancel()
		if err != nil {
			e.log.Debug("nat64 prefixes are not known", "error", err)
			due = time.Now().Add(nat64Retry)
			continue
		}
		if len(found) > 0 {
			e.log.Debug("the network translates IPv4", "prefixes", found)
		}
		e.policy.setNAT64(found)
	}
}

// Trouble says why the exit forwards nothing at the moment; empty when it does.
func (e *Exit) Trouble() string {
	if e.kernel == nil {
		return ""
	}
	return e.kernel.router.Trouble()
}
