import { Button } from "@cloudflare/kumo/components/button";
import { useState, type ReactNode } from "react";
import { Link, useSearchParams } from "wouter";
import type { Answer } from "../data/api.ts";
import { useKeys } from "../data/key_names.ts";
import { useAct, useWhole } from "../data/queries.ts";
import { Icon } from "../shell/icons.tsx";
import { Choice } from "../ui/choice.tsx";
import { faultOf, FormFault, useForm } from "../ui/form.tsx";
import { Input } from "../ui/input.tsx";
import { Card, Page } from "../ui/page.tsx";
import { Answered, Empty } from "../ui/states.tsx";
import { Status } from "../ui/status.tsx";
import { METHODS } from "./tokens/policy.ts";

type Token = Answer<"GET /tokens">["items"][number];

/** Try a call against the engine that decides about the real ones. Nothing is sent, counted or recorded. */
export function Explain(): ReactNode {
  const tokens = useWhole("GET /tokens", {});
  return (
    <Page
      title="Explain"
      lead="What would be decided about a call, and by which rule. Nothing is sent, counted or recorded."
    >
      <Answered of={tokens} lines={6}>
        {(items) =>
          items.length === 0 ? (
            <Card>
              <Empty icon="explain" title="There is no token to ask about">
                Create one, then see here what it may do.
              </Empty>
            </Card>
          ) : (
            <Question tokens={items} />
          )
        }
      </Answered>
    </Page>
  );
}

function Question({ tokens }: { tokens: readonly Token[] }): ReactNode {
  const [search] = useSearchParams();
  const keys = useKeys();
  const [token, setToken] = useState(search.get("token") ?? tokens[0]?.id ?? "");
  const [key, setKey] = useState(search.get("key") ?? "");
  const [method, setMethod] = useState("GET");
  const explain = useAct("POST /explain", { keep: true });
  const { busy, error, submit } = useForm((typed) =>
    explain.mutateAsync({
      body: {
        token_id: token,
        key: key === "" ? undefined : key,
        method,
        path: typed.text("path"),
        ip: typed.given("ip"),
        country: typed.given("country"),
      },
    }),
  );
  return (
    <div className="columns main-aside">
      <Card title="The call">
        <form className="form" onSubmit={submit}>
          <div className="form-row">
            <Choice
              label="Token"
              value={token}
              onChange={setToken}
              options={tokens.map(({ id, name }) => [id, name])}
            />
            <Choice
              label="Key"
              value={key}
              onChange={setKey}
              options={[
                ["", "none named (direct mode)"],
                ...(keys.data ?? []).map(({ id, name }) => [id, name] as const),
              ]}
            />
          </div>
          <div className="method-path">
            <Choice label="Method" value={method} onChange={setMethod} options={METHODS} />
            <Input
              name="path"
              label="Path"
              defaultValue="/"
              required
              spellCheck={false}
              error={faultOf(error, "path")}
            />
          </div>
          <details>
            <summary>From somewhere else</summary>
            <div className="form-row">
              <Input name="ip" label="Address" placeholder="yours" error={faultOf(error, "ip")} />
              <Input
                name="country"
                label="Country"
                placeholder="yours"
                maxLength={2}
                error={faultOf(error, "country")}
              />
            </div>
          </details>
          <FormFault error={error} fields={["path", "ip", "country"]} />
          <div>
            <Button type="submit" variant="primary" loading={busy}>
              Explain
            </Button>
          </div>
        </form>
      </Card>
      <Card title="The decision">
        {explain.data === undefined ? (
          <p className="muted">Ask, and every rule that is looked at is shown here.</p>
        ) : (
          <Decision of={explain.data} token={token} />
        )}
      </Card>
    </div>
  );
}

function headingOf({ decision, rule }: Answer<"POST /explain">): string {
  if (decision === "allow") return "Allowed";
  if (decision === "ask") return "Asked first";
  return rule === undefined ? "Refused" : `Refused by ${rule}`;
}

function Decision({ of, token }: { of: Answer<"POST /explain">; token: string }): ReactNode {
  const allowed = of.decision === "allow";
  return (
    <div className="stack" role="status">
      <p className={allowed ? "note good" : of.decision === "ask" ? "note warn" : "note bad"}>
        <Icon name={allowed ? "check" : of.decision === "ask" ? "alert" : "close"} />
        <span>
          <strong>{headingOf(of)}</strong>
          {of.status === undefined ? null : ` (${of.status})`}
          {of.detail === undefined ? null : <>: {of.detail}</>}
        </span>
      </p>
      {of.would_refuse === undefined ? null : (
        <p className="note warn">
          <Icon name="alert" />
          <span>
            On trial, <strong>{of.would_refuse.rule}</strong> would refuse it: {of.would_refuse.detail}
          </span>
        </p>
      )}
      {of.key === undefined ? null : (
        <p>
          With the key{" "}
          <Link className="link" href={`/keys/${of.key.id}`}>
            {of.key.name}
          </Link>
        </p>
      )}
      <ul className="lines" aria-label="Rules">
        {of.checks.map(({ rule, token_id, passed }) => (
          <li key={`${token_id} ${rule}`}>
            <span className="line-main">
              {rule.replaceAll("_", " ")}
              {token_id === token ? null : <small>of {token_id}</small>}
            </span>
            <Status tone={passed ? "good" : "bad"}>{passed ? "passed" : "refused"}</Status>
          </li>
        ))}
      </ul>
    </div>
  );
}
