package catalogue

import "slices"

// Volume is roughly how much of a tenant's log a filter category makes up. It
// is a rule of thumb for choosing filters and not a measurement of a tenant.
type Volume string

// The volumes, from a few events a day to the bulk of a busy tenant's log.
const (
	VolumeLow    Volume = "low"
	VolumeMedium Volume = "medium"
	VolumeHigh   Volume = "high"
)

// Filter is one category of "Filter by Event Category" in the form in which
// an Auth0 log stream is created. No filter at all means every category.
type Filter struct {
	// Name is the category as Auth0's Management API writes it.
	Name string
	// Carries says in one line what the category brings.
	Carries string
	// Recommended is true where detecting attacks needs the category.
	Recommended bool
	// Volume is how much it adds.
	Volume Volume
	// Blind says what nobody sees when the category is left out.
	Blind string
}

// Filters returns Auth0's 20 filter categories, sorted by name. The slice is
// the caller's. Categories that Auth0 invents later reach only log streams
// without a filter, which is why no filter at all is the safest choice.
func Filters() []Filter {
	return slices.Concat(actionFilters(), loginFilters(), sessionFilters(), tenantFilters(), userFilters())
}

func actionFilters() []Filter {
	return []Filter{
		{"actions", "Actions whose code failed", true, VolumeLow, "a broken Action, also one that enforces security at login"},
	}
}

func loginFilters() []Filter {
	return []Filter{
		{"auth.login.fail", "failed logins: wrong password, unknown user, refused by a connector", true, VolumeMedium, "password guessing, credential stuffing, attacks that are still under way"},
		{"auth.login.notification", "warnings while logging in, credentials that were only checked", true, VolumeLow, "misbehaving logins that work all the same"},
		{"auth.login.success", "logins that worked", true, VolumeHigh, "who got in, from where, and whether an attack succeeded in the end"},
		{"auth.logout.fail", "logouts that failed, also at other parties", false, VolumeLow, "sessions that stay open although they should have ended"},
		{"auth.logout.success", "logouts that worked, also at other parties", false, VolumeMedium, "when a session ended"},
		{"auth.signup.fail", "sign-ups that failed", true, VolumeLow, "probing for accounts that exist"},
		{"auth.signup.success", "new accounts", true, VolumeMedium, "mass registration and fake accounts"},
	}
}

func sessionFilters() []Filter {
	return []Filter{
		{"auth.silent_auth.fail", "silent logins that found no session", false, VolumeHigh, "little: nearly all of it is routine"},
		{"auth.silent_auth.success", "sessions renewed without the user", false, VolumeHigh, "from where a session is used between logins"},
		{"auth.token_exchange.fail", "grants that gave no token", true, VolumeMedium, "guessing at the token endpoint, and stolen refresh tokens that are used again"},
		{"auth.token_exchange.success", "tokens issued for codes, passwords, refresh tokens and clients, and the failed token vault exchange", true, VolumeHigh, "stolen tokens and client secrets in use, and every password grant that worked"},
	}
}

func tenantFilters() []Filter {
	return []Filter{
		{"management.fail", "Management API operations that failed", true, VolumeLow, "nothing today: Auth0 files no code there at present"},
		{"management.success", "Management API writes, and reads that returned secrets", true, VolumeMedium, "every change by an administrator or a stolen token: users, clients, rules, protections switched off"},
		{"other", "nearly all MFA events, breached passwords, throttled users, invitations, keys, forms, bot assessments", true, VolumeHigh, "nearly all MFA (gd_*), breached password (pwd_leak) and limit_sul events"},
		{"scim.event", "users and groups pushed by another directory", true, VolumeLow, "accounts that a directory creates, changes or removes"},
		{"system.notification", "blocked addresses, API limits, connectors, directory sync, deprecations", true, VolumeLow, "addresses blocked for attacks (limit_mu, limit_wc) and connectors that went offline"},
	}
}

func userFilters() []Filter {
	return []Filter{
		{"user.fail", "changes to an account that failed", true, VolumeLow, "attempts to take over an account by its e-mail, phone or password"},
		{"user.notification", "MFA enrolled, changed or removed, codes sent, blocks released", true, VolumeLow, "second factors that are added or removed by an attacker"},
		{"user.success", "changed passwords and addresses, deleted users, verified e-mails, revoked tokens", true, VolumeMedium, "accounts taken over, deleted or imported"},
	}
}
