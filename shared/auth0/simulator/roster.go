package simulator

// agent is what a device says it is: its own text and Auth0's short form.
type agent struct {
	raw, short string
	mobile     bool
}

func browsers() []agent {
	const mac, windows = "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) ", "Mozilla/5.0 (Windows NT 10.0; Win64; x64) "
	return []agent{
		{windows + "AppleWebKit/537.36 (KHTML, like Gecko) Chrome/142.0.0.0 Safari/537.36", "Chrome 142.0.0 / Windows 10.0.0", false},
		{mac + "AppleWebKit/537.36 (KHTML, like Gecko) Chrome/142.0.0.0 Safari/537.36", "Chrome 142.0.0 / Mac OS X 10.15.7", false},
		{mac + "AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.6 Safari/605.1.15", "Safari 18.6.0 / Mac OS X 10.15.7", false},
		{"Mozilla/5.0 (iPhone; CPU iPhone OS 18_6 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.6 Mobile/15E148 Safari/604.1", "Mobile Safari 18.6.0 / iOS 18.6.0", true},
		{windows + "AppleWebKit/537.36 (KHTML, like Gecko) Chrome/141.0.0.0 Safari/537.36 Edg/141.0.0.0", "Edge 141.0.0 / Windows 10.0.0", false},
		{"Mozilla/5.0 (Linux; Android 14; Pixel 8) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/142.0.0.0 Mobile Safari/537.36", "Chrome Mobile 142.0.0 / Android 14.0.0", true},
		{"Mozilla/5.0 (Windows NT 10.0; Win64; x64; rv:144.0) Gecko/20100101 Firefox/144.0", "Firefox 144.0.0 / Windows 10.0.0", false},
		{windows + "AppleWebKit/537.36 (KHTML, like Gecko) Chrome/107.0.0.0 Safari/537.36", "Chrome 107.0.0 / Windows 10.0.0", false},
		{"Mozilla/5.0 (X11; Ubuntu; Linux x86_64; rv:143.0) Gecko/20100101 Firefox/143.0", "Firefox 143.0.0 / Ubuntu 0.0.0", false},
		{"Acme/7 CFNetwork/1568.200.51 Darwin/24.1.0", "Other 0.0.0 / iOS 18.1.0", true},
		{"Mozilla/5.0 (iPad; CPU OS 17_5 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) CriOS/141.0.0 Mobile/15E148 Safari/604.1", "Chrome Mobile iOS 141.0.0 / iOS 17.5.0", true},
		{"Dalvik/2.1.0 (Linux; U; Android 13; SM-A536B Build/TP1A.220624.014)", "Android 13.0.0 / Android 13.0.0", true},
	}
}

func programs() []agent {
	return []agent{
		{"axios/1.7.9", "Other 0.0.0 / Other 0.0.0", false},
		{"python-requests/2.32.3", "Python Requests 2.32.0 / Other 0.0.0", false},
		{"Go-http-client/2.0", "", false},
		{"Go-Auth0/1.19.0", "Other 0.0.0 / Other 0.0.0", false},
	}
}

func attackTools() []agent {
	return []agent{
		{"Mozilla/5.0 (Windows NT 6.1; WOW64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/86.0.4240.111 Safari/537.36", "", false},
		{"python-requests/2.27.1", "Python Requests 2.27.0 / Other 0.0.0", false},
		{"okhttp/4.9.3", "", true},
	}
}

// homeNetworks are prefixes that the usual geographic test databases know.
func homeNetworks() []string {
	return []string{"81.2.69.", "89.160.20.", "2.125.160.", "216.160.83.", "2001:218:", "149.101.100.", "202.196.224.", "2a02:d280:"}
}

// attackNetworks are far from everybody's home, and one is of no country.
func attackNetworks() []string {
	return []string{"175.16.199.", "67.43.156.", "203.0.113."}
}

func serverAddresses() []string {
	return []string{"198.51.100.17", "198.51.100.18", "198.51.100.42", "2001:db8:40::7"}
}

// connectionKinds has the tenant's own database first, which most people use,
// and the one that takes SCIM last.
func connectionKinds() []connection {
	return []connection{
		{name: "Username-Password-Authentication", strategy: "auth0", kind: "database"},
		{name: "google-oauth2", strategy: "google-oauth2", kind: "social"},
		{name: "email", strategy: "email", kind: "passwordless"},
		{name: "sms", strategy: "sms", kind: "passwordless"},
		{name: "globex-saml", strategy: "samlp", kind: "enterprise"},
		{name: "initech-entra", strategy: "waad", kind: "enterprise"},
	}
}

func organizationNames() []string {
	return []string{"globex", "initech", "umbrella-health", "hooli", "stark-logistics"}
}

func applications() []client {
	const api, scope = "https://api.acme.example", "openid profile email offline_access"
	return []client{
		{name: "Acme Portal", kind: "spa", origin: "https://portal.acme.example", audience: api, scope: scope + " read:orders", sdk: `{"name":"auth0-react","version":"2.4.0","env":{"browser":"chrome"}}`},
		{name: "Acme Mobile", kind: "native", origin: "https://mobile.acme.example", audience: api, scope: scope, sdk: `{"name":"Auth0.swift","version":"2.10.0","env":{"swift":"6.x","iOS":"18.6"}}`},
		{name: "Acme Shop", kind: "regular_web", origin: "https://shop.acme.example", audience: api, scope: scope + " write:cart", sdk: `{"name":"nextjs-auth0","version":"4.9.0","env":{"node":"v22.11.0"}}`},
		{name: "Acme Support Desk", kind: "regular_web", origin: "https://support.acme.example", audience: "https://tickets.acme.example", scope: "openid profile email", sdk: `{"name":"express-openid-connect","version":"2.19.2","env":{"node":"v20.18.1"}}`},
		{name: "Café & Bäckerei", kind: "spa", origin: "https://cafe.acme.example", audience: api, scope: "openid email", sdk: `{"name":"auth0-spa-js","version":"2.8.0"}`},
	}
}

func machineApplications() []client {
	return []client{
		{name: "Billing Service", kind: "non_interactive", audience: "https://api.acme.example", scope: "read:invoices write:invoices"},
		{name: "Nightly Export", kind: "non_interactive", audience: "https://api.acme.example", scope: "read:orders"},
		{name: "Inventory Sync", kind: "non_interactive", audience: "https://inventory.acme.example", scope: "read:stock write:stock"},
		{name: "Terraform", kind: "non_interactive", audience: "https://infra.acme.example", scope: "read:clients update:clients"},
	}
}

func managementApplication(host string) []client {
	return []client{{name: "Auth0 Dashboard", kind: "global", audience: "https://" + host + "/api/v2/"}}
}

func givenNames() []string {
	return []string{
		"Ada", "Alice", "Amir", "Björn", "Bob", "Carla", "Chen", "Dmitri", "Elena", "Farah", "Grace", "Hugo", "Ines", "Jamal",
		"Kenji", "Lena", "Łukasz", "Maria", "Noor", "Oluwaseun", "Priya", "Quentin", "Rosa", "Siobhán", "Tomás", "Uma", "Victor", "Wei", "Yusuf", "Zoë",
	}
}

func familyNames() []string {
	return []string{
		"Adeyemi", "Andersson", "Baker", "Castillo", "Dubois", "Evans", "Fischer", "García", "Haddad", "Ivanova", "Jensen", "Khan",
		"Lopez", "Müller", "Nakamura", "O'Neill", "Patel", "Quinn", "Rossi", "Santos", "Tanaka", "Usman", "Virtanen", "Wang", "Young", "Zimmermann",
	}
}

func mailDomains() []string {
	return []string{"mail.example", "acme-customers.example", "post.example", "globex.example", "initech.example"}
}

func adminNames() []string {
	return []string{"Robin Hale", "Sam Okafor", "Mina Petrova"}
}
