import { Input } from "../../ui/input.tsx";
import type { ReactNode } from "react";
import type { Provider } from "../../data/providers.ts";
import { Choice } from "../../ui/choice.tsx";
import { faultOf, type Typed } from "../../ui/form.tsx";

type Placement = Provider["placement"];
type Kind = Placement["in"];

const KINDS: readonly (readonly [Kind, string])[] = [
  ["bearer", "Authorization: Bearer"],
  ["header", "A header of its own"],
  ["query", "A query parameter"],
  ["basic", "User name and password (Basic)"],
  ["oauth", "OAuth 2.0: an access token that renews itself"],
];

type PlacementProps = { value: Kind; onChange: (kind: Kind) => void; error: Error | undefined };

/** How an API that we do not know wants to be shown its key. */
export function PlacementFields({ value, onChange, error }: PlacementProps): ReactNode {
  const fault = faultOf(error, "placement") ?? "";
  return (
    <>
      <Choice label="Sent as" value={value} onChange={onChange} options={KINDS} />
      <input type="hidden" name="placement" value={value} />
      {value === "header" ? (
        <div className="form-row">
          <Input name="placement:name" label="Header" placeholder="x-api-key" required error={fault} />
          <Input name="placement:prefix" label="Before the secret" placeholder="nothing" />
        </div>
      ) : null}
      {value === "query" ? (
        <Input name="placement:name" label="Parameter" placeholder="api_key" required error={fault} />
      ) : null}
      {value === "oauth" ? (
        <>
          <Input name="placement:token_url" label="Token URL" type="url" required error={fault} />
          <Input
            name="placement:authorize_url"
            label="Authorize URL"
            type="url"
            description="Where you connect the account. Empty: the client has credentials of its own."
          />
          <Input name="placement:scopes" label="Scopes" placeholder="as the provider separates them" />
        </>
      ) : null}
    </>
  );
}

export function placementIn(typed: Typed): Placement {
  const name = typed.text("placement:name");
  switch (typed.text("placement")) {
    case "header": {
      const prefix = typed.given("placement:prefix");
      // A scheme and its credential stand apart; who types "Token" means "Token ".
      return prefix === undefined ? { in: "header", name } : { in: "header", name, prefix: `${prefix} ` };
    }
    case "query":
      return { in: "query", name };
    case "basic":
      return { in: "basic" };
    case "oauth": {
      const authorize_url = typed.given("placement:authorize_url");
      return {
        in: "oauth",
        grant: authorize_url === undefined ? "client_credentials" : "authorization_code",
        authorize_url,
        token_url: typed.text("placement:token_url"),
        scopes: typed.given("placement:scopes"),
      };
    }
    default:
      return { in: "bearer" };
  }
}
