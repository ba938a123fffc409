import { BEARER, JSON_BODY, type Shape } from "./shape.ts";

/**
 * A provider that is connected: besides a documented call, how its documentation prints a request for a new token and the
 * answer to it, and where it says that people are sent. `$ACCESS` and `$REFRESH` stand where the new tokens go.
 */
export type ConnectedShape = Shape & {
  authorize?: string;
  token: { at: string; client: "basic" | "post" | "assertion"; format?: "json"; answer: object };
};

const answer = { access_token: "$ACCESS", token_type: "Bearer", expires_in: 3600 };

export const CONNECTED_SHAPES: readonly ConnectedShape[] = [
  {
    provider: "google-oauth",
    method: "GET",
    path: "/drive/v2/files",
    headers: BEARER,
    authorize: "https://accounts.google.com/o/oauth2/v2/auth?access_type=offline&prompt=consent",
    token: {
      at: "https://oauth2.googleapis.com/token",
      client: "post",
      answer: { ...answer, expires_in: 3920, scope: "https://www.googleapis.com/auth/drive.metadata.readonly" },
    },
  },
  {
    provider: "google-service-account",
    method: "GET",
    path: "/storage/v1/b?project=my-project",
    headers: BEARER,
    token: { at: "https://oauth2.googleapis.com/token", client: "assertion", answer },
  },
  {
    provider: "github-oauth",
    method: "GET",
    path: "/user",
    headers: BEARER,
    authorize: "https://github.com/login/oauth/authorize",
    token: {
      at: "https://github.com/login/oauth/access_token",
      client: "post",
      answer: {
        ...answer,
        expires_in: 28_800,
        refresh_token: "$REFRESH",
        refresh_token_expires_in: 15_897_600,
        scope: "",
      },
    },
  },
  {
    provider: "slack-oauth",
    method: "POST",
    path: "/api/chat.postMessage",
    headers: { ...BEARER, "content-type": "application/json; charset=utf-8" },
    body: `{"channel":"C123456","text":"Hello world"}`,
    authorize: "https://slack.com/oauth/v2/authorize",
    token: {
      at: "https://slack.com/api/oauth.v2.access",
      client: "basic",
      answer: {
        ok: true,
        access_token: "$ACCESS",
        token_type: "bot",
        scope: "commands,incoming-webhook",
        bot_user_id: "U0KRQLJ9H",
        expires_in: 43_200,
        refresh_token: "$REFRESH",
        team: { name: "Slack Pickleball Team", id: "T9TK3CUKW" },
      },
    },
  },
  {
    provider: "microsoft-oauth",
    method: "GET",
    path: "/v1.0/me",
    headers: BEARER,
    authorize: "https://login.microsoftonline.com/common/oauth2/v2.0/authorize",
    token: {
      at: "https://login.microsoftonline.com/common/oauth2/v2.0/token",
      client: "post",
      answer: {
        ...answer,
        expires_in: 3599,
        scope: "https://graph.microsoft.com/mail.read",
        refresh_token: "$REFRESH",
      },
    },
  },
  {
    provider: "notion-oauth",
    method: "GET",
    path: "/v1/users/me",
    headers: BEARER,
    authorize: "https://api.notion.com/v1/oauth/authorize?owner=user",
    token: {
      at: "https://api.notion.com/v1/oauth/token",
      client: "basic",
      format: "json",
      answer: { access_token: "$ACCESS", token_type: "bearer", refresh_token: "$REFRESH", bot_id: "b1", owner: {} },
    },
  },
  {
    provider: "spotify-oauth",
    method: "GET",
    path: "/v1/me",
    headers: BEARER,
    authorize: "https://accounts.spotify.com/authorize",
    token: {
      at: "https://accounts.spotify.com/api/token",
      client: "basic",
      answer: { ...answer, scope: "user-read-private" },
    },
  },
  {
    provider: "x-oauth",
    method: "POST",
    path: "/2/tweets",
    headers: { ...BEARER, ...JSON_BODY },
    body: `{"text":"Hello World!"}`,
    authorize: "https://x.com/i/oauth2/authorize",
    token: {
      at: "https://api.x.com/2/oauth2/token",
      client: "basic",
      answer: { ...answer, token_type: "bearer", expires_in: 7200, refresh_token: "$REFRESH" },
    },
  },
  {
    provider: "linkedin-oauth",
    method: "GET",
    path: "/v2/userinfo",
    headers: BEARER,
    authorize: "https://www.linkedin.com/oauth/v2/authorization",
    token: {
      at: "https://www.linkedin.com/oauth/v2/accessToken",
      client: "post",
      answer: {
        access_token: "$ACCESS",
        expires_in: 5_184_000,
        refresh_token: "$REFRESH",
        refresh_token_expires_in: 439_200,
      },
    },
  },
  {
    provider: "discord-oauth",
    method: "GET",
    path: "/api/v10/users/@me",
    headers: BEARER,
    authorize: "https://discord.com/oauth2/authorize",
    token: {
      at: "https://discord.com/api/oauth2/token",
      client: "basic",
      answer: { ...answer, expires_in: 604_800, refresh_token: "$REFRESH", scope: "identify" },
    },
  },
  {
    provider: "zoom-oauth",
    method: "GET",
    path: "/v2/users/me",
    headers: BEARER,
    authorize: "https://zoom.us/oauth/authorize",
    token: {
      at: "https://zoom.us/oauth/token",
      client: "basic",
      answer: { ...answer, token_type: "bearer", refresh_token: "$REFRESH", expires_in: 3599, scope: "user:read:user" },
    },
  },
  {
    provider: "dropbox-oauth",
    method: "POST",
    path: "/2/users/get_current_account",
    headers: BEARER,
    authorize: "https://www.dropbox.com/oauth2/authorize?token_access_type=offline",
    token: {
      at: "https://api.dropboxapi.com/oauth2/token",
      client: "basic",
      answer: { access_token: "$ACCESS", expires_in: 14_400, token_type: "bearer" },
    },
  },
  {
    provider: "salesforce-oauth",
    method: "GET",
    path: "/services/data/v62.0/sobjects/Account/describe",
    headers: BEARER,
    authorize: "https://login.salesforce.com/services/oauth2/authorize",
    token: {
      at: "https://login.salesforce.com/services/oauth2/token",
      client: "post",
      answer: {
        id: "https://login.salesforce.com/id/00Dx0000000BV7z/005x00000012Q9P",
        issued_at: "1278448384422",
        instance_url: "https://mycompany.my.salesforce.com/",
        signature: "SSSbLO/gBhmmyNUvN18ODBDFYHzakxOMgqYtu+hDPsc=",
        access_token: "$ACCESS",
        token_type: "Bearer",
      },
    },
  },
  {
    provider: "hubspot-oauth",
    method: "GET",
    path: "/crm/v3/objects/contacts",
    headers: BEARER,
    authorize: "https://app.hubspot.com/oauth/authorize",
    token: {
      at: "https://api.hubapi.com/oauth/v1/token",
      client: "post",
      answer: { refresh_token: "$REFRESH", access_token: "$ACCESS", expires_in: 1800, token_type: "bearer" },
    },
  },
  {
    provider: "linear-oauth",
    method: "POST",
    path: "/graphql",
    headers: { ...BEARER, ...JSON_BODY },
    body: `{"query":"{ viewer { id name } }"}`,
    authorize: "https://linear.app/oauth/authorize",
    token: {
      at: "https://api.linear.app/oauth/token",
      client: "post",
      answer: { ...answer, expires_in: 86_399, scope: "read write", refresh_token: "$REFRESH" },
    },
  },
  {
    provider: "atlassian-oauth",
    method: "GET",
    path: "/oauth/token/accessible-resources",
    headers: BEARER,
    authorize: "https://auth.atlassian.com/authorize?audience=api.atlassian.com&prompt=consent",
    token: {
      at: "https://auth.atlassian.com/oauth/token",
      client: "post",
      format: "json",
      answer: { ...answer, refresh_token: "$REFRESH", scope: "read:me" },
    },
  },
];
