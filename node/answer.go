package node

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"syscall"
	"time"

	"github.com/ethereum/go-ethereum/common"

	"byway/contracts/chain"
	"byway/contracts/deploy"
	"byway/contracts/text"
	"byway/node/account"
	"byway/node/api"
	"byway/node/api/spec"
	"byway/node/connection"
	"byway/node/home"
	"byway/node/path"
	"byway/node/provide"
	"byway/node/token"
	"byway/node/vault"
	"byway/node/wire"
	"byway/payments/ledger"
	"byway/payments/payer"
	"byway/registry/directory"
	"byway/tunnel/route"
)

// What the local API answers about the node itself, its keys and the provider. Money is in money.go, the connection in
// buying.go.

// answers are the node's answers: [spec.StrictServerInterface].
type answers struct {
	*Node
	*api.Operations
}

var _ spec.StrictServerInterface = answers{}

// recast gives a value the API's shape of it: what package spec generates has the fields of the rooms' own types, by
// the same names. A field that only the room's type has is an error, which the tests look for in every answer.
func recast[T any](from any) (to T, err error) {
	text, err := json.Marshal(from)
	if err != nil {
		return to, fmt.Errorf("answer: %w", err)
	}
	d := json.NewDecoder(bytes.NewReader(text))
	d.DisallowUnknownFields()
	if err := d.Decode(&to); err != nil {
		return to, fmt.Errorf("answer: %w", err)
	}
	return to, nil
}

// kinds are the kinds of the errors of the rooms, as they go over the local API.
var kinds = []api.Mapping{
	{Kind: api.ErrLocked, Is: home.ErrLocked},
	{Kind: api.ErrPassword, Is: home.ErrPassword},
	{Kind: api.ErrCold, Is: home.ErrCold},
	{Kind: api.ErrNoAccount, Is: home.ErrNoAccount},
	{Kind: api.ErrTaken, Is: home.ErrTaken},
	{Kind: api.ErrNoNetwork, Is: home.ErrNoNetwork},
	{Kind: api.ErrNothingFree, Is: vault.ErrNothingFree},
	{Kind: api.ErrNoReserve, Is: vault.ErrNoReserve},
	{Kind: api.ErrLockdown, Is: route.ErrLockdown},
	{Kind: api.ErrCapability, Is: route.ErrCapability},
	{Kind: api.ErrNoTUN, Is: route.ErrNoTUN},
	{Kind: api.ErrGone, Is: path.ErrProviderGone},
	kindOf(api.ErrRequest, func(e *SettingError) map[string]string { return map[string]string{"setting": e.Name} }),
	kindOf(api.ErrRequest, func(e *provide.UnreachableError) map[string]string {
		return map[string]string{"unreachable": "true", "host": strconv.FormatBool(e.Host)}
	}),
	kindOf(api.ErrConflict, func(*BothError) map[string]string { return map[string]string{"both": "true"} }),
	kindOf(api.ErrConflict, func(*StandingError) map[string]string { return map[string]string{"standing": "true"} }),
	kindOf(api.ErrRequest, func(e *connection.InvalidError) map[string]string { return map[string]string{"setting": e.Field} }),
	{Kind: api.ErrDisk, Is: syscall.ENOSPC},
	{Kind: api.ErrDisk, Is: syscall.EROFS},
	kindOf(api.ErrInUse, func(e *home.InUseError) map[string]string { return map[string]string{"dir": e.Dir} }),
	kindOf(api.ErrPending, func(*account.PendingError) map[string]string { return nil }),
	kindOf(api.ErrExiting, func(e *vault.ExitingError) map[string]string {
		return map[string]string{"provider": e.Provider.Hex()}
	}),
	kindOf(api.ErrFunds, func(*vault.FreeError) map[string]string { return map[string]string{"free": "no"} }),
	kindOf(api.ErrFunds, func(*chain.FundsError) map[string]string { return nil }),
	kindOf(api.ErrEarly, func(*vault.EarlyError) map[string]string { return nil }),
	kindOf(api.ErrHost, func(*provide.HostError) map[string]string { return nil }),
	kindOf(api.ErrNewcomer, func(e *path.ColdNewcomerError) map[string]string {
		return map[string]string{"payee": e.Payee.Hex(), "missing": fmt.Sprint(e.Missing)}
	}),
	kindOf(api.ErrOffence, func(e *path.OffenceError) map[string]string {
		return map[string]string{"one_way_udp": strconv.FormatBool(e.OneWayUDP)}
	}),
	kindOf(api.ErrShut, func(e *path.ShutError) map[string]string {
		return map[string]string{"lockdown": strconv.FormatBool(e.Lockdown)}
	}),
	kindOf(api.ErrRefused, func(e *wire.RefusalError) map[string]string {
		return map[string]string{"refusal": strconv.Itoa(int(e.Code)), "need": e.Need.String()}
	}),
	kindOf(api.ErrNoOffer, func(*directory.NoOfferError) map[string]string { return nil }),
	kindOf(api.ErrBudget, func(e *payer.SpendCapError) map[string]string {
		return map[string]string{"limit": e.Limit.String(), "funds": strconv.FormatBool(e.Funds)}
	}),
	kindOf(api.ErrUndone, func(e *route.UndoneError) map[string]string {
		return map[string]string{"shut": strconv.FormatBool(e.Shut)}
	}),
	kindOf(api.ErrRelease, func(*route.VersionError) map[string]string { return nil }),
	kindOf(api.ErrMismatch, func(*deploy.MismatchError) map[string]string { return nil }),
	{Kind: api.ErrChain, As: func(err error) (map[string]string, bool) { return nil, chain.IsOutage(err) }},
	{Kind: api.ErrCancelled, Is: context.Canceled},
	{Kind: api.ErrLate, Is: context.DeadlineExceeded},
}

// kindOf maps a type of error.
func kindOf[E error](kind api.Kind, details func(E) map[string]string) api.Mapping {
	return api.Mapping{Kind: kind, As: func(err error) (map[string]string, bool) {
		var e E
		if !errors.As(err, &e) {
			return nil, false
		}
		return details(e), true
	}}
}

// GetStatus implements [spec.StrictServerInterface].
func (n answers) GetStatus(ctx context.Context, _ spec.GetStatusRequestObject) (spec.GetStatusResponseObject, error) {
	s, err := n.status(ctx)
	return spec.GetStatus200JSONResponse(s), err
}

func (n *Node) status(ctx context.Context) (s spec.Status, err error) {
	owner := n.keys.Owner().Address()
	s = spec.Status{
		Schema: "byway.status/2", Home: n.cfg.Home.Dir(), Version: n.cfg.Version, Pid: os.Getpid(), Since: n.since.UTC(),
		Locked: n.keys.Locked(), Network: n.cfg.Network.Name, Owner: &owner, Chain: []spec.ChainStatus{},
	}
	if o := n.takeLease(); o != nil {
		defer o.leases.Done()
		s.Token = o.Token
		if s.Chain, err = recast[[]spec.ChainStatus](o.ChainStatus()); err != nil {
			return s, err
		}
	} else if known, err := n.token(ctx); err == nil {
		s.Token = known
	}
	if s.Provider, err = n.providerStatus(ctx); err != nil {
		return s, err
	}
	if s.Connection, err = n.connectionStatus(); err != nil {
		return s, err
	}
	shut, err := path.InspectMachine()
	if err != nil {
		s.Trouble = err.Error()
	}
	if shut != nil {
		s.Shut = &spec.Shut{Since: shut.Since, Reason: shut.Reason, Lockdown: shut.Lockdown, Trouble: shut.Trouble}
	}
	return s, nil
}

// Unlock implements [spec.StrictServerInterface]. The server bounds how often a password is guessed.
func (n answers) Unlock(_ context.Context, r spec.UnlockRequestObject) (spec.UnlockResponseObject, error) {
	if err := n.unlockKeys(r.Body.Password); err != nil {
		return nil, err
	}
	return spec.Unlock204Response{}, nil
}

// Lock implements [spec.StrictServerInterface].
func (n answers) Lock(context.Context, spec.LockRequestObject) (spec.LockResponseObject, error) {
	n.keys.Lock()
	n.changed()
	return spec.Lock204Response{}, nil
}

// ChangePassword implements [spec.StrictServerInterface].
func (n answers) ChangePassword(_ context.Context, r spec.ChangePasswordRequestObject) (spec.ChangePasswordResponseObject, error) {
	if err := n.cfg.Home.ChangePassword(r.Body.Old, r.Body.New, home.Standard); err != nil {
		return nil, err
	}
	return spec.ChangePassword204Response{}, nil
}

// Provide implements [spec.StrictServerInterface].
func (n answers) Provide(ctx context.Context, r spec.ProvideRequestObject) (spec.ProvideResponseObject, error) {
	wish := Wish{Schema: saleSchema, Settings: r.Body.Settings, Offer: r.Body.Offer}
	if _, _, err := n.planned(ctx, wish); err != nil { // before there is an operation
		return nil, err
	}
	begun, err := n.Start("provide", r.Params.IdempotencyKey, r.Body,
		func(ctx context.Context, step func(string)) (any, error) {
			defer n.busy()()
			published, err := n.Sell(ctx, wish, step)
			if err != nil {
				n.settleAfter(err)
				return nil, err
			}
			return n.providerReport(published)
		})
	return spec.Provide202JSONResponse{BegunJSONResponse: spec.BegunJSONResponse(begun)}, err
}

// StopProviding implements [spec.StrictServerInterface].
func (n answers) StopProviding(_ context.Context, r spec.StopProvidingRequestObject) (spec.StopProvidingResponseObject, error) {
	if n.sold() == nil {
		if wanted, err := n.wantedSale(); err != nil || wanted == nil {
			return nil, errors.Join(api.ErrIdle.Errorf("no provider runs here"), err)
		}
	}
	begun, err := n.Start("stopProviding", r.Params.IdempotencyKey, r.Params,
		func(ctx context.Context, step func(string)) (any, error) {
			if r.Params.Drain {
				step("drain")
				n.drain(ctx)
			}
			step("end")
			report := spec.ProviderReport{Schema: "byway.provider/1", Event: spec.ProviderReportEventDown, Provider: n.keys.Owner().Address()}
			if s := n.sold(); s != nil {
				report.Offer = s.Offer().CID.String()
			}
			_, err := n.StopSelling()
			time.AfterFunc(partingTime, n.settle)
			return report, err
		})
	return spec.StopProviding202JSONResponse{BegunJSONResponse: spec.BegunJSONResponse(begun)}, err
}

// Connect implements [spec.StrictServerInterface].
func (n answers) Connect(_ context.Context, r spec.ConnectRequestObject) (spec.ConnectResponseObject, error) {
	want, err := wantOf(r.Body)
	if err != nil {
		return nil, err
	}
	begun, err := n.Start("connect", r.Params.IdempotencyKey, r.Body, func(ctx context.Context, step func(string)) (any, error) {
		defer n.busy()()
		report, err := n.Node.Connect(ctx, want, step)
		if err != nil {
			n.settleAfter(err)
		}
		return report, err
	})
	return spec.Connect202JSONResponse{BegunJSONResponse: spec.BegunJSONResponse(begun)}, err
}

// Disconnect implements [spec.StrictServerInterface].
func (n answers) Disconnect(ctx context.Context, _ spec.DisconnectRequestObject) (spec.DisconnectResponseObject, error) {
	report, err := n.Node.Disconnect(context.WithoutCancel(ctx))
	if err != nil {
		return nil, err
	}
	time.AfterFunc(partingTime, n.settle)
	return spec.Disconnect200JSONResponse(report), nil
}

// partingTime is how long a node that is not needed any more stays to be asked how it went.
const partingTime = time.Second

// settleAfter ends a node that is not needed any more after a failure. One that was asked for what needs the password is
// given time to be told it.
func (n *Node) settleAfter(err error) {
	wait := partingTime
	if errors.Is(err, home.ErrLocked) {
		wait = idlePatience
	}
	time.AfterFunc(wait, n.settle)
}

// Rotate implements [spec.StrictServerInterface].
func (n answers) Rotate(_ context.Context, r spec.RotateRequestObject) (spec.RotateResponseObject, error) {
	b := n.bought()
	if b == nil {
		return nil, errOff
	}
	begun, err := n.Start("rotate", r.Params.IdempotencyKey, r.Params, func(ctx context.Context, _ func(string)) (any, error) {
		if err := b.supervisor().Rotate(ctx); err != nil {
			return nil, err
		}
		return b.report()
	})
	return spec.Rotate202JSONResponse{BegunJSONResponse: spec.BegunJSONResponse(begun)}, err
}

// Spend implements [spec.StrictServerInterface].
func (n answers) Spend(_ context.Context, r spec.SpendRequestObject) (spec.SpendResponseObject, error) {
	b := n.bought()
	if b == nil {
		return nil, errOff
	}
	begun, err := n.Start("spend", r.Params.IdempotencyKey, r.Body, func(context.Context, func(string)) (any, error) {
		if err := b.supervisor().Spend(r.Body.Amount); err != nil {
			return nil, err
		}
		return n.connectionStatus()
	})
	return spec.Spend202JSONResponse{BegunJSONResponse: spec.BegunJSONResponse(begun)}, err
}

// Pause implements [spec.StrictServerInterface].
func (n answers) Pause(ctx context.Context, r spec.PauseRequestObject) (spec.PauseResponseObject, error) {
	b := n.bought()
	if b == nil {
		return nil, errOff
	}
	if b.hold == nil {
		return nil, api.ErrConflict.Errorf("the connection is a proxy: what does not use it goes past it anyway")
	}
	if !r.Body.Portal {
		return nil, setting("portal", "is the one hole that there is")
	}
	if err := b.pause(ctx, time.Duration(r.Body.Seconds)*time.Second); err != nil {
		return nil, err
	}
	n.changed()
	c, err := n.connectionStatus()
	if err != nil || c == nil {
		return nil, errors.Join(errOff, err)
	}
	return spec.Pause200JSONResponse(*c), nil
}

// providerStatus tells of the provider; nil where none is wanted.
func (n *Node) providerStatus(ctx context.Context) (*spec.ProviderStatus, error) {
	s := n.sold()
	if s == nil {
		if wish, err := n.wantedSale(); err != nil || wish == nil {
			return nil, err
		}
		n.mu.Lock()
		defer n.mu.Unlock()
		return n.waitingProvider(cmp.Or(n.trouble, "it is being started")), nil
	}
	status, err := s.Status(ctx)
	if err != nil {
		return nil, err
	}
	told, err := recast[*spec.ProviderStatus](status)
	if err != nil {
		return nil, err
	}
	told.State = spec.ProviderStatusStateUp
	switch {
	case s.over():
		told.State = spec.ProviderStatusStateHolding
		told.Reason = &spec.Reason{Code: "failed", Text: s.err.Error()}
	case status.Held != "":
		told.State = spec.ProviderStatusStateHolding
		told.Reason = &spec.Reason{Code: "disk", Text: status.Held}
	case status.Closed != "":
		told.State = spec.ProviderStatusStateHolding
		told.Reason = &spec.Reason{Code: "closed", Text: status.Closed}
	case n.keys.Locked() && status.Unpublished != "":
		told.State = spec.ProviderStatusStateHolding
		told.Reason = &spec.Reason{Code: "locked", Text: "the offer of before is sold, and nothing is claimed, until the account is unlocked"}
	case n.keys.Locked():
		told.Reason = &spec.Reason{Code: "locked", Text: "nothing is claimed until the account is unlocked"}
	}
	return told, nil
}

// waitingProvider tells of a provider that is wanted, and does not run yet.
func (n *Node) waitingProvider(why string) *spec.ProviderStatus {
	return &spec.ProviderStatus{
		Provider: n.keys.Owner().Address(), State: spec.ProviderStatusStateStarting, Reason: &spec.Reason{Code: "waits", Text: why},
		Since: n.since.UTC(), Hosts: []string{}, Endpoints: []string{}, Refused: map[string]uint64{}, Sessions: []spec.ServedSession{},
		Left: []spec.Left{}, Reachable: spec.Reachable{Reachable: "unknown", Why: "it does not run yet"},
		Peers: spec.PeersUse{
			Refused: map[string]uint64{}, Closed: map[string]uint64{}, Hellos: spec.HelloUse{Refused: map[string]uint64{}},
			Releases: spec.HelloUse{Refused: map[string]uint64{}},
		},
	}
}

// providerReport tells of a provider that has just come up.
func (n *Node) providerReport(published directory.Receipt) (spec.ProviderReport, error) {
	s := n.sold()
	if s == nil {
		return spec.ProviderReport{}, errChanging
	}
	offer := s.Offer()
	report := spec.ProviderReport{
		Schema: "byway.provider/1", Event: spec.ProviderReportEventUp, Provider: offer.Offer.Provider, Offer: offer.CID.String(),
		PricePerGib: offer.Offer.PricePerGiB, Token: s.Token.Symbol, Decimals: s.Token.Decimals, Exit: string(s.Exit().Mode()),
		GasUsed: published.GasUsed,
	}
	if published.GasUsed > 0 {
		report.TxHash = &published.TxHash
	}
	if err := s.Unpublished(); err != nil {
		report.Unpublished = text.Line(err.Error())
	}
	return report, nil
}

// GetDays implements [spec.StrictServerInterface].
func (n answers) GetDays(ctx context.Context, r spec.GetDaysRequestObject) (spec.GetDaysResponseObject, error) {
	var from, to time.Time
	for _, day := range []struct {
		name, text string
		at         *time.Time
	}{{"from", r.Params.From, &from}, {"to", r.Params.To, &to}} {
		at, err := time.Parse(time.DateOnly, day.text)
		if day.text != "" && err != nil {
			return nil, setting(day.name, "%q is no day, such as 2026-01-31", day.text)
		}
		*day.at = at
	}
	a, ctx, release, err := n.lease(ctx)
	if err != nil {
		return nil, err
	}
	defer release()
	days, err := NewDays(ctx, a.Ledger, cmp.Or(r.Params.Side, spec.SideEarned), from, to, a.Token, n.cfg.Network.Token)
	return spec.GetDays200JSONResponse(days), err
}

// NewDays tells what a ledger has booked on each day, in one token.
func NewDays(ctx context.Context, l *ledger.Ledger, side spec.Side, from, to time.Time, unit token.Token, at common.Address,
) (spec.Days, error) {
	of := ledger.Payee
	if side == spec.SideSpent {
		of = ledger.Payer
	}
	answer := spec.Days{Schema: "byway.days/1", Side: side, Token: unit, Days: []spec.Day{}}
	list, err := l.Days(ctx, of, from, to)
	if err != nil {
		return answer, err
	}
	for _, d := range list {
		if d.Token != at {
			return answer, fmt.Errorf("%s of this home's ledger is in the token %s, the network's is %s: name the network file that it "+
				"was earned or spent on", d.Date.Format(time.DateOnly), d.Token, at)
		}
		answer.Days = append(answer.Days, spec.Day{
			Date: d.Date.Format(time.DateOnly), Sessions: d.Sessions, Promises: d.Promises, RxBytes: d.Rx, TxBytes: d.Tx, Amount: d.Amount,
			Carried: d.Carried, Claims: d.Claims, Claimed: d.Claimed, UndoneClaims: d.UndoneClaims, Undone: d.Undone,
			GasSpentWei: &token.Wei{Int: d.GasSpent},
		})
	}
	return answer, nil
}

// mostSessions bounds one answer.
const mostSessions = 1000

// GetSessions implements [spec.StrictServerInterface].
func (n answers) GetSessions(ctx context.Context, r spec.GetSessionsRequestObject) (spec.GetSessionsResponseObject, error) {
	limit := cmp.Or(r.Params.Limit, 100)
	if limit < 1 || limit > mostSessions {
		return nil, setting("limit", "%d is not between 1 and %d", limit, mostSessions)
	}
	a, ctx, release, err := n.lease(ctx)
	if err != nil {
		return nil, err
	}
	defer release()
	sessions, err := NewSessions(ctx, a.Ledger, limit, r.Params.Before, a.Token)
	return spec.GetSessions200JSONResponse(sessions), err
}

// NewSessions tells the latest sessions of a ledger.
func NewSessions(ctx context.Context, l *ledger.Ledger, limit int, before int64, unit token.Token) (spec.Sessions, error) {
	answer := spec.Sessions{Schema: "byway.sessions/1", Token: unit, Sessions: []spec.PastSession{}}
	list, err := l.Sessions(ctx, limit, before)
	for _, s := range list {
		one := spec.PastSession{
			Number: s.ID, Session: s.Terms.Session.String(), Side: spec.SideSpent, Counterpart: s.Terms.Channel.Payee,
			Opened: s.Opened.UTC(), Ending: "open", RxBytes: s.Usage.Rx, TxBytes: s.Usage.Tx, Promises: s.Promises, Amount: s.Amount,
		}
		if s.Received {
			one.Side, one.Counterpart = spec.SideEarned, s.Terms.Channel.Payer
		}
		if !s.Closed.IsZero() {
			closed := s.Closed.UTC()
			one.Closed, one.Ending = &closed, s.Ending.String()
		}
		answer.Sessions = append(answer.Sessions, one)
	}
	return answer, err
}

// Claim implements [spec.StrictServerInterface].
func (n answers) Claim(_ context.Context, r spec.ClaimRequestObject) (spec.ClaimResponseObject, error) {
	s := n.sold()
	if s == nil {
		return nil, api.ErrIdle.Errorf("no provider runs here: claims are a provider's")
	}
	if n.keys.Locked() {
		return nil, api.ErrLocked
	}
	begun, err := n.Start("claim", r.Params.IdempotencyKey, r.Body, func(ctx context.Context, _ func(string)) (any, error) {
		claimed, err := s.Claim(ctx, r.Body != nil && r.Body.ToVault)
		if err != nil {
			return nil, err
		}
		return recast[spec.Proceeds](struct {
			Schema string `json:"schema"`
			provide.Proceeds
		}{"byway.claim/1", claimed})
	})
	return spec.Claim202JSONResponse{BegunJSONResponse: spec.BegunJSONResponse(begun)}, err
}

// Backup implements [spec.StrictServerInterface].
func (n answers) Backup(ctx context.Context, r spec.BackupRequestObject) (spec.BackupResponseObject, error) {
	if !filepath.IsAbs(r.Body.File) {
		return nil, &SettingError{"file", fmt.Errorf("%q is no absolute path", r.Body.File)}
	}
	a, ctx, release, err := n.lease(ctx)
	if err != nil {
		return nil, err
	}
	defer release()
	if err := a.Ledger.Backup(ctx, r.Body.File); err != nil {
		return nil, err
	}
	return spec.Backup200JSONResponse{Schema: "byway.ledger/1", Event: "backup", File: r.Body.File}, nil
}

// Down implements [spec.StrictServerInterface].
func (n answers) Down(_ context.Context, r spec.DownRequestObject) (spec.DownResponseObject, error) {
	begun, err := n.Start("down", r.Params.IdempotencyKey, r.Body, func(ctx context.Context, step func(string)) (any, error) {
		if r.Body.Wait {
			step("drain")
			n.drain(ctx)
		}
		time.AfterFunc(partingTime, n.End)
		return struct{}{}, nil
	})
	return spec.Down202JSONResponse{BegunJSONResponse: spec.BegunJSONResponse(begun)}, err
}
