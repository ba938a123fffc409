/** What is mutated, and the tests that must notice. All of it is pure: it runs in plain Node. */
export const MODULES = {
  token: { mutate: ["src/crypto/token.ts"], tests: ["test/crypto/token.test.ts"] },
  seal: {
    mutate: ["src/crypto/seal.ts"],
    tests: ["test/crypto/seal.test.ts", "test/crypto/transient.test.ts", "test/crypto/vectors.test.ts"],
  },
  rotation: {
    mutate: ["src/vault/tokens/rotation.ts", "src/crypto/lineage.ts"],
    tests: ["test/vault/rotation.test.ts"],
  },
  judge: { mutate: ["src/vault/policy/judge.ts", "src/vault/policy/checks.ts"], tests: ["test/vault/judge.test.ts"] },
  policy: { mutate: ["src/vault/policy/rules.ts"], tests: ["test/vault/judge.test.ts", "test/policy/rules.test.ts"] },
  limits: {
    mutate: ["src/vault/policy/limits.ts", "src/vault/calls/budget.ts"],
    tests: ["test/vault/judge.test.ts", "test/policy/budget.test.ts"],
  },
  wider: { mutate: ["src/vault/policy/wider.ts"], tests: ["test/vault/wider.test.ts"] },
  choice: {
    mutate: [
      "src/vault/policy/within.ts",
      "src/vault/policy/resolve_policy.ts",
      "src/vault/policy/reach.ts:10-28",
      "src/vault/policy/reach.ts:37-45",
    ],
    tests: ["test/policy/choice.test.ts"],
  },
  credentials: {
    mutate: ["src/vault/policy/credential_endpoints.ts"],
    tests: ["test/policy/credential_endpoints.test.ts"],
  },
  freeze: { mutate: ["src/vault/account/frozen.ts"], tests: ["test/policy/rules.test.ts"] },
  network: { mutate: ["src/vault/policy/network.ts"], tests: ["test/vault/network.test.ts"] },
  renewal: { mutate: ["src/vault/connections/renewal.ts"], tests: ["test/vault/renewal.test.ts"] },
  target: {
    mutate: ["src/proxy/target.ts"],
    tests: ["test/attacks/target.security.test.ts", "test/proxy/redirected.test.ts"],
  },
  path: { mutate: ["src/vault/policy/path.ts"], tests: ["test/vault/path.test.ts"] },
  redirect: { mutate: ["src/oauth/redirects.ts"], tests: ["test/oauth/parameters.test.ts"] },
  scope: { mutate: ["src/vault/policy/scopes.ts", "src/oauth/scope.ts"], tests: ["test/oauth/parameters.test.ts"] },
};
