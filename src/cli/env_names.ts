/** The variables under which a provider's own SDKs look for their key and their address. */
type Variables = { key: readonly string[]; base_url?: readonly string[] };

const KNOWN: Readonly<Record<string, Variables>> = {
  openai: { key: ["OPENAI_API_KEY"], base_url: ["OPENAI_BASE_URL"] },
  anthropic: { key: ["ANTHROPIC_API_KEY"], base_url: ["ANTHROPIC_BASE_URL"] },
  "google-ai": { key: ["GEMINI_API_KEY", "GOOGLE_API_KEY"], base_url: ["GOOGLE_GEMINI_BASE_URL"] },
  mistral: { key: ["MISTRAL_API_KEY"] },
  xai: { key: ["XAI_API_KEY"], base_url: ["XAI_BASE_URL"] },
  deepseek: { key: ["DEEPSEEK_API_KEY"], base_url: ["DEEPSEEK_BASE_URL"] },
  perplexity: { key: ["PERPLEXITY_API_KEY"], base_url: ["PERPLEXITY_BASE_URL"] },
  cohere: { key: ["CO_API_KEY", "COHERE_API_KEY"], base_url: ["CO_API_URL"] },
  groq: { key: ["GROQ_API_KEY"], base_url: ["GROQ_BASE_URL"] },
  together: { key: ["TOGETHER_API_KEY"], base_url: ["TOGETHER_BASE_URL"] },
  fireworks: { key: ["FIREWORKS_API_KEY"], base_url: ["FIREWORKS_BASE_URL"] },
  openrouter: { key: ["OPENROUTER_API_KEY"], base_url: ["OPENROUTER_BASE_URL"] },
  replicate: { key: ["REPLICATE_API_TOKEN"] },
  huggingface: { key: ["HF_TOKEN"] },
  "huggingface-hub": { key: ["HF_TOKEN"], base_url: ["HF_ENDPOINT"] },
  "azure-openai": { key: ["AZURE_OPENAI_API_KEY"], base_url: ["AZURE_OPENAI_ENDPOINT"] },
  elevenlabs: { key: ["ELEVENLABS_API_KEY"] },
  cloudflare: { key: ["CLOUDFLARE_API_TOKEN"], base_url: ["CLOUDFLARE_BASE_URL"] },
  github: { key: ["GITHUB_TOKEN"], base_url: ["GITHUB_API_URL"] },
  vercel: { key: ["VERCEL_TOKEN"] },
  sentry: { key: ["SENTRY_AUTH_TOKEN"] },
  stripe: { key: ["STRIPE_API_KEY", "STRIPE_SECRET_KEY"] },
  resend: { key: ["RESEND_API_KEY"], base_url: ["RESEND_BASE_URL"] },
  sendgrid: { key: ["SENDGRID_API_KEY"] },
  twilio: { key: ["TWILIO_AUTH_TOKEN"] },
  slack: { key: ["SLACK_BOT_TOKEN", "SLACK_TOKEN"] },
  discord: { key: ["DISCORD_TOKEN", "DISCORD_BOT_TOKEN"] },
  notion: { key: ["NOTION_TOKEN", "NOTION_API_KEY"] },
  linear: { key: ["LINEAR_API_KEY"] },
  airtable: { key: ["AIRTABLE_API_KEY"], base_url: ["AIRTABLE_ENDPOINT_URL"] },
  hubspot: { key: ["HUBSPOT_ACCESS_TOKEN"] },
  clerk: { key: ["CLERK_SECRET_KEY"] },
  supabase: { key: ["SUPABASE_KEY", "SUPABASE_SERVICE_ROLE_KEY"], base_url: ["SUPABASE_URL"] },
  "supabase-management": { key: ["SUPABASE_ACCESS_TOKEN"] },
  upstash: { key: ["UPSTASH_API_KEY"] },
  "upstash-redis": { key: ["UPSTASH_REDIS_REST_TOKEN"], base_url: ["UPSTASH_REDIS_REST_URL"] },
  posthog: { key: ["POSTHOG_PERSONAL_API_KEY"] },
  mux: { key: ["MUX_TOKEN_SECRET"] },
  shopify: { key: ["SHOPIFY_ACCESS_TOKEN"] },
};

export function variablesOf(provider: string): Variables {
  return (Object.hasOwn(KNOWN, provider) ? KNOWN[provider] : undefined) ?? { key: [] };
}

/** The provider that a variable of that name is for, if its own SDKs read it. */
export function providerOfVariable(name: string): string | undefined {
  return Object.keys(KNOWN).find((provider) => variablesOf(provider).key.includes(name));
}

/** By these a provider's SDK is told where to send its key. */
const ADDRESSES = new Set(Object.values(KNOWN).flatMap(({ base_url = [] }) => base_url));

/** A name as a variable: `openai@prod` is `OPENAI_PROD`, and what is one already stays as it is. */
export function variableName(name: string): string {
  if (/^[A-Z_][A-Z0-9_]*$/.test(name)) return name;
  const words = name
    .toUpperCase()
    .replace(/[^A-Z0-9]+/g, "_")
    .replace(/^_+|_+$/g, "");
  return /^[0-9]/.test(words) || words === "" ? `_${words}` : words;
}

/**
 * Variables by which loaders, shells and interpreters are told what else to run. Whoever names a key may be another device or a client: what
 * they call it must not decide what a command does here.
 */
const STEERING = new RegExp(
  `^(${[
    "PATH|PATHEXT|COMSPEC|SHELL|SHELLOPTS|BASHOPTS|ENV|BASH_ENV|ZDOTDIR|IFS|PROMPT_COMMAND|PS[0-4]|EDITOR|VISUAL|PAGER|BROWSER",
    "LD_[A-Z_]+|DYLD_[A-Z_]+|GCONV_PATH|NODE_(OPTIONS|PATH)|NPM_CONFIG_[A-Z_]+|JAVA_TOOL_OPTIONS|_JAVA_OPTIONS|JDK_JAVA_OPTIONS",
    "PYTHON(PATH|HOME|STARTUP|INSPECT)|PERL5(OPT|LIB|DB)|RUBY(OPT|LIB)|LUA_INIT|DOTNET_STARTUP_HOOKS|RUSTC_WRAPPER",
    "GIT_(SSH|SSH_COMMAND|EXEC_PATH|CONFIG[A-Z_]*|PROXY_COMMAND|EXTERNAL_DIFF|EDITOR|PAGER|ASKPASS)|SSH_ASKPASS|SUDO_ASKPASS",
    "NODE_TLS_REJECT_UNAUTHORIZED|PYTHONHTTPSVERIFY|GIT_SSL_[A-Z_]+|(CURL|REQUESTS)_CA_BUNDLE|DOCKER_HOST",
    "(HTTPS?|ALL)_PROXY|NODE_EXTRA_CA_CERTS|SSL_CERT_(FILE|DIR)|OPENSSL_(CONF|MODULES|ENGINES)",
  ].join("|")})$`,
);

/** Would a variable of that name change what a program runs, or whom it speaks to? */
export function steers(name: string): boolean {
  return STEERING.test(name) || ADDRESSES.has(name);
}

/** The variable that holds a field of a key: the key's own where it has one, else with the field behind. */
export function secretVariable(name: string, field: string, fields: number): string {
  return fields === 1 ? variableName(name) : `${variableName(name)}_${variableName(field)}`;
}
