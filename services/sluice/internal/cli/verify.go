package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/spf13/cobra"

	"github.com/sluicelog/sluice/shared/endpoint"
)

// verifyOptions are the flags of `sluice endpoint verify`.
type verifyOptions struct {
	timeout   time.Duration
	publicURL string
	token     tokenSource
}

func (a *App) endpointVerifyCommand() *cobra.Command {
	var o verifyOptions
	cmd := &cobra.Command{
		Use:   "verify ID",
		Short: "Watch the first delivery arrive, step by step, until its events are searchable",
		Long: `Say step by step whether Auth0 is logging: the URL answers, the token is right, a delivery came, its events could be
read, they are on disk, they are searchable. It waits for what has not happened yet. The last line is "Auth0 is logging"
(exit code 0) or names the step that failed (exit code 1).

With --public-url it also checks what Auth0 will meet on the way: DNS, the certificate, that the Authorization header
arrives, and that a body of 10 MiB gets through the proxy. The last two need the endpoint's token (--token-file or
--token-stdin; that of the all-in-one's first endpoint is known) and store an empty delivery.`,
		Example: "  sluice endpoint verify k3m9 --timeout 10m\n" +
			"  sluice endpoint verify k3m9 --public-url https://logs.example.com --token-file ./token",
		Args:              one(anEndpoint),
		ValidArgsFunction: a.completeEndpoints,
		RunE:              func(cmd *cobra.Command, args []string) error { return a.verify(cmd.Context(), args[0], o) },
	}
	cmd.Flags().DurationVar(&o.timeout, "timeout", 5*time.Minute, "how long to wait in all")
	cmd.Flags().StringVar(&o.publicURL, "public-url", "", "address under which Auth0 reaches the receiver; checks the way from there")
	o.token.register(cmd, "read the endpoint's token")
	return cmd
}

// verifier goes through the steps and keeps what they found for the later ones.
type verifier struct {
	session  *Session
	endpoint *endpoint.Endpoint
	at       address
	public   bool   // check the way from the public address, too
	token    string // for the checks of the public address; empty when nobody knows it
	status   endpoint.Status
	arrived  arrival
	report   verifyReport
	screen   *verifyScreen
	hint     func(command string) string // a command as it works when it is copied
}

// errSkipped marks a step that could not be made and is no failure; its text says why.
var errSkipped = errors.New("not checked")

// verifyStep is one step: run waits for what it needs and says what it saw.
type verifyStep struct {
	name, waiting string
	run           func(ctx context.Context) (saw string, err error)
}

func (v *verifier) steps() []verifyStep {
	steps := []verifyStep{{"url", "asking the Payload URL", v.checkURL}}
	if v.public {
		steps = append([]verifyStep{
			{"dns", "looking up the name", v.checkDNS},
			{"certificate", "looking at the certificate", v.checkCertificate},
		}, append(steps,
			verifyStep{"authorization", "sending a wrong and the right token", v.checkAuthorization},
			verifyStep{"body", "sending 10 MiB", v.checkBody},
		)...)
	}
	return append(steps,
		verifyStep{"token", "waiting for a request with the right token", v.checkToken},
		verifyStep{"delivery", "waiting for the first delivery with events", v.checkDelivery},
		verifyStep{"durable", "looking into the stream", v.checkDurable},
		verifyStep{"events", "reading the events", v.checkEvents},
		verifyStep{"searchable", "waiting until the events are searchable", v.checkSearchable},
	)
}

func (a *App) verify(ctx context.Context, id string, o verifyOptions) error {
	token, err := a.adoptToken(o.token)
	if err != nil {
		return err
	}
	session, e, err := a.openEndpoint(ctx, id)
	if err != nil {
		return err
	}
	defer session.Close()
	at, err := session.address(o.publicURL, id)
	if err != nil {
		return err
	}
	v := &verifier{session: session, endpoint: e, at: at, public: o.publicURL != "", token: token, screen: a.newVerifyScreen(), hint: a.hint}
	if token == "" && session.Ready != nil && session.Ready.Endpoint == id {
		v.token = session.Ready.Authorization
	}
	v.report = verifyReport{Endpoint: id, Name: e.Name, address: at, Human: humanSteps(e.Name)}
	v.screen.begin(&v.report)
	if err := v.work(ctx, o.timeout); err != nil {
		return err
	}
	return a.finishVerify(v)
}

// work makes the steps in order and stops at the first that fails. The error is only an interruption by the operator.
func (v *verifier) work(ctx context.Context, timeout time.Duration) error {
	limited, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	for _, step := range v.steps() {
		stop := v.screen.wait(step.waiting)
		saw, err := step.run(limited)
		stop()
		if ctx.Err() != nil {
			return fmt.Errorf("verifying endpoint %s: %w", v.endpoint.ID, ctx.Err())
		}
		done := verifyResult{Step: step.name, Result: "ok", Saw: saw}
		switch {
		case errors.Is(err, errSkipped):
			done.Result = "skipped"
		case err != nil:
			done.Result, done.Saw, v.report.Failed = "failed", err.Error(), step.name
		}
		v.report.Steps = append(v.report.Steps, done)
		v.screen.step(done)
		if v.report.Failed != "" {
			return nil
		}
	}
	v.report.Logging = true
	return nil
}

func (a *App) finishVerify(v *verifier) error {
	if err := a.print(v.report, func(w io.Writer) { v.report.writeEnd(w) }); err != nil {
		return err
	}
	if !v.report.Logging {
		return ErrSilent
	}
	return nil
}

// poll calls look at once and then again and again until it says done, fails, or ctx ends; done is false in the last case.
func poll(ctx context.Context, look func() (done bool, err error)) (done bool, err error) {
	tick := time.NewTicker(pollInterval)
	defer tick.Stop()
	for {
		done, err = look()
		if ctx.Err() != nil && !done {
			return false, nil // what failed then failed because the time was over
		}
		if done || err != nil {
			return done, err
		}
		select {
		case <-ctx.Done():
			return false, nil
		case <-tick.C:
		}
	}
}
