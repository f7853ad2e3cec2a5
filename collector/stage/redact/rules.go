package redact

// rule is the index of a rule. If two rules find the same secret, it is named after the first.
type rule uint8

const (
	privateKey rule = iota
	awsAccessKey
	awsSecretKey
	gcpAPIKey
	azureKey
	githubToken
	gitlabToken
	slackToken
	slackWebhook
	stripeKey
	npmToken
	pypiToken
	grafanaToken
	anthropicKey
	openaiKey
	telegramToken
	discordToken
	discordWebhook
	sendgridKey
	twilioKey
	digitaloceanToken
	huggingfaceToken
	jwt
	bearerToken
	basicCredentials
	urlPassword
	password
	secret
	cardNumber
)

// Rule is a kind of secret.
type Rule struct {
	Name        string // as in <redacted:NAME>
	Description string // what it finds
}

var rules = [...]Rule{
	privateKey:        {"private-key", "private keys in PEM or PGP armor, on one line or several"},
	awsAccessKey:      {"aws-access-key", "AWS access key ids (AKIA…, ASIA…)"},
	awsSecretKey:      {"aws-secret-key", "AWS secret access keys, by their name (aws_secret_access_key=…)"},
	gcpAPIKey:         {"gcp-api-key", "Google Cloud API keys (AIza…)"},
	azureKey:          {"azure-key", "Azure storage and shared access keys (AccountKey=…), signatures of shared access (sig=…) and client secrets"},
	githubToken:       {"github-token", "GitHub tokens (ghp_…, gho_…, ghu_…, ghs_…, ghr_…, github_pat_…)"},
	gitlabToken:       {"gitlab-token", "GitLab tokens (glpat-… and the like)"},
	slackToken:        {"slack-token", "Slack tokens (xoxb-…, xoxp-…, xapp-… and the like)"},
	slackWebhook:      {"slack-webhook", "the secret part of Slack's webhooks (hooks.slack.com/services/…)"},
	stripeKey:         {"stripe-key", "Stripe keys (sk_live_…, rk_live_…, sk_test_…) and webhook secrets (whsec_…)"},
	npmToken:          {"npm-token", "npm tokens (npm_…)"},
	pypiToken:         {"pypi-token", "PyPI tokens (pypi-AgE…)"},
	grafanaToken:      {"grafana-token", "Grafana service account and cloud tokens (glsa_…, glc_…) and API keys (eyJrIjoi…)"},
	anthropicKey:      {"anthropic-key", "Anthropic keys (sk-ant-…)"},
	openaiKey:         {"openai-key", "OpenAI keys and others of that form (sk-…, sk-proj-…)"},
	telegramToken:     {"telegram-token", "tokens of Telegram bots (digits:AA…)"},
	discordToken:      {"discord-token", "tokens of Discord bots"},
	discordWebhook:    {"discord-webhook", "the secret part of Discord's webhooks (…/api/webhooks/ID/…)"},
	sendgridKey:       {"sendgrid-key", "SendGrid keys (SG.….…)"},
	twilioKey:         {"twilio-key", "Twilio API keys (SK and 32 digits)"},
	digitaloceanToken: {"digitalocean-token", "DigitalOcean tokens (dop_v1_… and the like)"},
	huggingfaceToken:  {"huggingface-token", "Hugging Face tokens (hf_…)"},
	jwt:               {"jwt", "JSON web tokens (eyJ….eyJ….…)"},
	bearerToken:       {"bearer-token", "credentials of other schemes than basic (Bearer …, Authorization: …)"},
	basicCredentials:  {"basic-credentials", "credentials of basic authentication (Basic …)"},
	urlPassword:       {"url-password", "passwords in URLs (scheme://user:…@host)"},
	password:          {"password", "values of names that end in password, passwd, passphrase, pwd or pass"},
	secret:            {"secret", "values of names that end in secret, token, api_key, private_key, access_key and the like"},
	cardNumber:        {"card-number", "card numbers of 13 to 19 digits whose check digit is right"},
}

// Sets of the bytes of tokens.
var (
	upperDigit = setOf("0-9A-Z")
	lowerHex   = setOf("0-9a-f")
	decimal    = setOf("0-9")
	wordy      = setOf("0-9A-Za-z_")
	wordDash   = union(setOf("0-9A-Za-z_"), setOf("-"))
	alnumDash  = union(alnum, setOf("-"))
	wordDot    = union(wordDash, setOf("."))
	base64Set  = union(alnum, setOf("+/="))
	base64URL  = union(wordDash, setOf("+/=%"))
	keyEnd     = union(setOf("\"'=:_ ."), union(setOf("-"), setOf("\\%A-Za-z0-9]>)")))
	afterToken = union(setOf("\"'=: ."), setOf("\\%_-])>"))
	assigns    = setOf("\"'=: \\%]>")
)

// anchors returns the texts to search for.
func anchors() []anchor {
	return append(tokenAnchors(), otherAnchors()...)
}

// tokenAnchors returns the anchors of tokens with a prefix.
func tokenAnchors() []anchor {
	var all []anchor
	add := func(r rule, class *set, min int, texts ...string) {
		for _, t := range texts {
			a := anchor{text: t, word: true, from: -2, group: tokens, rule: r, find: findToken, class: class, min: min, right: class}
			if len(t) > 4 {
				a.from = -1 // each window contains three bytes of the text
			}
			all = append(all, a)
		}
	}
	add(awsAccessKey, upperDigit, 16, "AKIA", "ASIA", "ABIA", "ACCA")
	add(awsAccessKey, upperDigit, 17, "A3T")
	add(gcpAPIKey, wordDash, 35, "AIza")
	add(githubToken, wordy, 36, "ghp_", "gho_", "ghu_", "ghs_", "ghr_")
	add(githubToken, wordy, 40, "github_pat_")
	add(gitlabToken, wordDot, 20, "glpat-", "gldt-", "gloas-", "glrt-", "glrtr-", "glcbt-", "glptt-", "glft-", "glimt-", "glagent-", "glwt-", "glsoat-", "glffct-", "GR1348941")
	add(slackToken, alnumDash, 18, "xoxa-", "xoxb-", "xoxe-", "xoxo-", "xoxp-", "xoxr-", "xoxs-", "xapp-", "xoxe.xoxb-", "xoxe.xoxp-")
	add(stripeKey, alnum, 10, "sk_live_", "rk_live_", "sk_test_", "rk_test_", "sk_prod_", "rk_prod_")
	add(stripeKey, base64Set, 24, "whsec_")
	add(npmToken, alnum, 36, "npm_")
	add(pypiToken, wordDash, 50, "pypi-AgE")
	add(grafanaToken, wordy, 40, "glsa_")
	add(grafanaToken, base64URL, 32, "glc_")
	add(grafanaToken, base64URL, 62, "eyJrIjoi")
	add(anthropicKey, wordDash, 20, "sk-ant-")
	add(openaiKey, wordDash, 20, "sk-proj-", "sk-svcacct-", "sk-admin-", "sk-None-", "sk-or-v1-")
	add(openaiKey, alnum, 20, "sk-")
	add(twilioKey, lowerHex, 32, "SK")
	add(digitaloceanToken, lowerHex, 64, "dop_v1_", "doo_v1_", "dor_v1_")
	add(huggingfaceToken, alnum, 30, "hf_")
	add(sendgridKey, wordDash, 0, "SG.")
	add(jwt, wordDash, 0, "eyJ")
	for i := range all {
		switch a := &all[i]; a.rule {
		case sendgridKey:
			a.find = findSendgrid
		case jwt:
			a.find = findJWT
		}
	}
	return all
}

// otherAnchors returns the anchors of secrets without a prefix of their own.
func otherAnchors() []anchor {
	digit, letter := decimal, func(s string) *set { return setOf(s) }
	quad := []*set{letter("MNO"), letter("DTjz"), letter("AEIMQUYcgk"), letter("w-z0-5")}
	all := []anchor{
		{text: "-----BEGIN", from: 3, group: words, rule: privateKey, find: findPrivateKey},
		{text: "hooks.slack.com", from: 1, group: words, rule: slackWebhook, find: findSlackWebhook},
		{text: "/webhooks", from: 1, group: moreWords, rule: discordWebhook, find: findDiscordWebhook},
		{pattern: append(quad[:4:4], quad...), from: 0, group: words, rule: discordToken, find: findDiscordToken},
		{pattern: []*set{digit, digit, digit, letter(":"), letter("A"), letter("A")}, from: 0, group: moreWords, rule: telegramToken, find: findTelegramToken},
		{pattern: []*set{digit, letter("Q"), letter("~")}, right: union(wordDot, letter("~")), from: -1, group: words, rule: azureKey, find: findAzureSecret},
		{text: "sig=", fold: true, word: true, right: base64URL, from: -2, group: tokens, rule: azureKey, find: findSignature},
		{text: "@", from: -3, rule: urlPassword, find: findURLPassword},
		{text: "bearer", fold: true, right: setOf(" \t%+\\:"), from: 0, group: words, rule: bearerToken, find: findBearer},
		{text: "basic", fold: true, right: setOf(" \t%+"), word: true, from: -1, group: moreWords, rule: basicCredentials, find: findBasic},
		{text: "authorization", fold: true, from: 3, group: words, rule: bearerToken, find: findAuthorization},
	}
	key := func(r rule, group, from int, right *set, texts ...string) {
		for _, t := range texts {
			all = append(all, anchor{text: t, fold: true, right: right, from: from, group: group, rule: r, find: findValue})
		}
	}
	key(password, words, 1, nil, "password")
	key(password, words, 0, keyEnd, "passwd")
	key(password, words, 1, nil, "passphrase")
	key(password, words, -1, assigns, "pass")
	key(password, words, -2, assigns, "pwd")
	key(secret, moreWords, 0, keyEnd, "secret")
	key(secret, moreWords, -1, afterToken, "token")
	key(secret, moreWords, 0, assigns, "apikey")
	key(secret, words, 0, nil, "api_key", "api-key")
	key(secret, words, 3, nil, "private_key", "private-key", "privatekey")
	key(secret, moreWords, 3, assigns, "access_key", "access-key", "accesskey")
	key(azureKey, words, 4, assigns, "accountkey")
	return all
}
