/** What is mutated, and the tests that must notice. All of it is pure: it runs in plain Node. */
export const MODULES = {
  token: { mutate: ["src/crypto/token.ts"], tests: ["test/crypto/token.test.ts"] },
  seal: {
    mutate: ["src/crypto/seal.ts"],
    tests: ["test/crypto/seal.test.ts", "test/crypto/transient.test.ts", "test/crypto/vectors.test.ts"],
  },
  rotation: { mutate: ["src/vault/tokens/rotation.ts"], tests: ["test/vault/rotation.test.ts"] },
  judge: { mutate: ["src/vault/policy/judge.ts", "src/vault/policy/checks.ts"], tests: ["test/vault/judge.test.ts"] },
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
