/** A platform whose jobs have tokens of their own: what its tokens say, and how a job exchanges one. */
export type Platform = {
  id: string;
  name: string;
  issuer: string;
  /** An issuer of one's own has another address for everybody. */
  own_issuer: boolean;
  /** What to ask of a token, to be filled in. */
  claims: readonly (readonly [claim: string, example: string])[];
  /** A token that is kept in a file and shown until it expires. */
  kept: boolean;
  /** What a job runs to get the locker's token into LOCKER_TOKEN. */
  job: (address: string, origin: string) => string;
};

function exchange(address: string, origin: string, subject: string): string {
  return `curl -fsS ${origin}/token \\
  -d grant_type=urn:ietf:params:oauth:grant-type:token-exchange \\
  -d subject_token_type=urn:ietf:params:oauth:token-type:jwt \\
  -d audience=${address} \\
  -d "subject_token=${subject}"`;
}

export const PLATFORMS: readonly Platform[] = [
  {
    id: "github",
    name: "GitHub Actions",
    issuer: "https://token.actions.githubusercontent.com",
    own_issuer: false,
    claims: [
      ["repository", "my-org/my-repo"],
      ["ref", "refs/heads/main"],
    ],
    kept: false,
    job: (address, origin) => `# The job needs: permissions: { id-token: write }
JWT=$(curl -fsS -H "Authorization: Bearer $ACTIONS_ID_TOKEN_REQUEST_TOKEN" \\
  "$ACTIONS_ID_TOKEN_REQUEST_URL&audience=${address}" | jq -r .value)
LOCKER_TOKEN=$(${exchange(address, origin, "$JWT")} | jq -r .access_token)`,
  },
  {
    id: "gitlab",
    name: "GitLab",
    issuer: "https://gitlab.com",
    own_issuer: true,
    claims: [
      ["project_path", "my-group/my-project"],
      ["ref_protected", "true"],
    ],
    kept: false,
    job: (address, origin) => `# The job needs: id_tokens: { LOCKER_JWT: { aud: "${address}" } }
LOCKER_TOKEN=$(${exchange(address, origin, "$LOCKER_JWT")} | jq -r .access_token)`,
  },
  {
    id: "kubernetes",
    name: "Kubernetes",
    issuer: "https://kubernetes.default.svc.cluster.local",
    own_issuer: true,
    claims: [
      ["kubernetes.io/namespace", "payments"],
      ["kubernetes.io/serviceaccount/name", "worker"],
    ],
    kept: true,
    job: (address, origin) => `# A projected volume: serviceAccountToken: { audience: "${address}", path: locker }
LOCKER_TOKEN=$(${exchange(address, origin, "$(cat /var/run/secrets/tokens/locker)")} | jq -r .access_token)`,
  },
  {
    id: "other",
    name: "Another issuer",
    issuer: "",
    own_issuer: true,
    claims: [["sub", "the-job"]],
    kept: false,
    job: (address, origin) => `LOCKER_TOKEN=$(${exchange(address, origin, "$JWT")} | jq -r .access_token)`,
  },
];

/** The platform of an issuer, as far as its address tells. */
export function platformOf(issuer: string): Platform {
  return PLATFORMS.find((one) => one.issuer === issuer) ?? (PLATFORMS.at(-1) as Platform);
}
