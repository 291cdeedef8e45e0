package simulator

import (
	"fmt"
	"slices"
	"strings"
	"time"
)

// act is one step of a scenario: after a pause, an event in a scene.
type act struct {
	after time.Duration
	code  string
	scene scene
}

// Scenarios names what Tenant.Scenario can play.
func Scenarios() []string {
	return []string{"credential-stuffing", "mfa-fatigue", "refresh-token-reuse", "tenant-settings-weakened"}
}

// Scenario returns the events of an attack on this tenant, in order. With a
// Step the attack begins at the tenant's present time and moves it on; without
// one it ends at the time of the moment.
func (t *Tenant) Scenario(name string) ([]Event, error) {
	var acts []act
	switch name {
	case "credential-stuffing":
		acts = t.credentialStuffing()
	case "mfa-fatigue":
		acts = t.mfaFatigue()
	case "refresh-token-reuse":
		acts = t.refreshTokenReuse()
	case "tenant-settings-weakened":
		acts = t.settingsWeakened()
	default:
		return nil, fmt.Errorf("playing scenario %q: there is no such scenario; choose one of %s",
			name, strings.Join(Scenarios(), ", "))
	}
	return t.play(acts), nil
}

func (t *Tenant) play(acts []act) []Event {
	at := t.tick()
	if t.opts.Step <= 0 {
		for _, a := range acts {
			at = at.Add(-a.after)
		}
	}
	events := make([]Event, 0, len(acts))
	for _, a := range acts {
		at = at.Add(a.after)
		events = append(events, t.record(t.byCode[a.code], a.scene, at))
	}
	t.now = later(t.now, at)
	return events
}

// credentialStuffing tries many names from a few addresses with one tool, is
// blocked at one of them, and gets into an account at last.
func (t *Tenant) credentialStuffing() []act {
	tool, users := t.world.tools[0], slices.Clone(t.world.users)
	t.dice.Shuffle(len(users), func(i, j int) { users[i], users[j] = users[j], users[i] })
	from := func(number int, who scene) scene {
		who.device, who.address = tool, t.world.attackers[number%3]
		return who
	}
	var acts []act
	add := func(code string, who scene) {
		gap := time.Duration(t.dice.between(300, 1_500)) * time.Millisecond
		acts = append(acts, act{gap, code, from(len(acts), who)})
	}
	for i := range 80 {
		victim := t.castAttack(users[i%len(users)])
		switch {
		case i%3 != 0:
			add("fu", t.castStranger())
		case i%15 == 0:
			add("pwd_leak", victim)
		default:
			add("fp", victim)
		}
	}
	add("limit_mu", t.castStranger())
	victim := t.castAttack(users[len(users)-1])
	add("s", victim)
	acts = append(acts, act{400 * time.Millisecond, "seacft", acts[len(acts)-1].scene})
	return acts
}

// mfaFatigue knows a password and asks a person again and again until they
// give in.
func (t *Tenant) mfaFatigue() []act {
	victim := pick(t.dice, t.world.users)
	attack, answer := t.castAttack(victim), t.castPerson(victim)
	var acts []act
	for range 12 {
		acts = append(acts,
			act{20 * time.Second, "mfar", attack},
			act{300 * time.Millisecond, "gd_start_auth", attack},
			act{500 * time.Millisecond, "gd_send_pn", attack},
			act{9 * time.Second, "gd_auth_rejected", answer})
	}
	return append(acts,
		act{25 * time.Second, "gd_start_auth", attack},
		act{time.Second, "gd_send_pn", attack},
		act{12 * time.Second, "gd_auth_succeed", answer},
		act{time.Second, "s", attack},
		act{400 * time.Millisecond, "seacft", attack})
}

// refreshTokenReuse uses a stolen rotating refresh token before its owner
// does; the second use of the same counter ends the whole family.
func (t *Tenant) refreshTokenReuse() []act {
	victim := pick(t.dice, t.world.users)
	owner, thief := t.castPerson(victim), t.castAttack(victim)
	thief.client = owner.client
	counted := func(s scene, counter int64) scene {
		s.counter, s.reused = counter, true
		return s
	}
	first := victim.counter + 1
	victim.counter = first + 3
	return []act{
		{0, "sertft", counted(owner, first)},
		{15 * time.Minute, "sertft", counted(owner, first+1)},
		{4 * time.Minute, "sertft", counted(thief, first+2)},
		{2 * time.Minute, "sertft", counted(thief, first+3)},
		{9 * time.Minute, "ferrt", counted(owner, first+1)},
		{time.Second, "ferrt", counted(thief, first+2)},
		{30 * time.Second, "fertft", counted(thief, 0)},
		{40 * time.Second, "fertft", counted(owner, 0)},
	}
}

// settingsWeakened is an admin's stolen dashboard session from far away that
// reads a secret and then switches the tenant's protection off.
func (t *Tenant) settingsWeakened() []act {
	who := t.cast(team)
	who.address, who.device, who.risky = t.world.attackers[0], t.world.tools[0], true
	who.user = pick(t.dice, t.world.users)
	doing := func(o operation) scene {
		s := who
		s.management = &o
		return s
	}
	acts := []act{{0, "mgmt_api_read", doing(reads()[0])}}
	for _, o := range weakenings() {
		acts = append(acts, act{time.Duration(t.dice.between(8, 40)) * time.Second, "sapi", doing(o)})
	}
	return acts
}
