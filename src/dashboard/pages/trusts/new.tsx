import { Input, InputArea } from "../../ui/input.tsx";
import { useState, type ReactNode } from "react";
import { useLocation } from "wouter";
import { Refused, type Given } from "../../data/api.ts";
import { useKeys, type Key } from "../../data/key_names.ts";
import { useAct } from "../../data/queries.ts";
import { Choice } from "../../ui/choice.tsx";
import { Snippet } from "../../ui/copy.tsx";
import { faultOf, Tick, useForm } from "../../ui/form.tsx";
import { LinkButton } from "../../ui/link_button.tsx";
import { Card, Page } from "../../ui/page.tsx";
import { Answered } from "../../ui/states.tsx";
import { PolicyBuilder } from "../tokens/builder.tsx";
import { InWords } from "../tokens/in_words.tsx";
import { written, type Policy } from "../tokens/policy.ts";
import type { Trust } from "./list.tsx";
import { PLATFORMS, type Platform } from "./recipes.ts";

type Wish = Given<"POST /trusts">["body"];

const FIELDS = ["name", "issuer", "audience", "claims", "jwks", "policy"];

/** Lets a machine in: whose tokens are taken, and what is given for them. */
export function NewTrust(): ReactNode {
  const keys = useKeys();
  const [made, setMade] = useState<{ trust: Trust; platform: Platform }>();
  if (made !== undefined) return <Made {...made} />;
  return (
    <Page
      title="Let a machine in"
      lead="Its platform signs a token that says which job it is. You say which jobs are meant, and what they may do for fifteen minutes."
    >
      <Answered of={keys} lines={8}>
        {(all) => <TrustForm keys={all} onMade={(trust, platform) => setMade({ trust, platform })} />}
      </Answered>
    </Page>
  );
}

function TrustForm({ keys, onMade }: { keys: readonly Key[]; onMade: (trust: Trust, platform: Platform) => void }) {
  const [, go] = useLocation();
  const [platform, setPlatform] = useState(PLATFORMS[0] as Platform);
  const [policy, setPolicy] = useState<Policy>({});
  const create = useAct("POST /trusts");
  const { busy, error, submit } = useForm(async (typed) => {
    const jwks = typed.given("jwks");
    const trust = await create.mutateAsync({
      body: {
        name: typed.text("name"),
        issuer: typed.text("issuer"),
        claims: claimsIn(typed.text("claims")),
        audience: typed.given("audience"),
        single_use: typed.ticked("single_use"),
        policy: written(policy),
        ...(jwks === undefined ? {} : { jwks: keysIn(jwks) }),
      },
    });
    onMade(trust, platform);
  });
  return (
    <form className="columns main-aside" onSubmit={submit}>
      <Card>
        <div className="form">
          <Choice
            label="Platform"
            value={platform.id}
            onChange={(id) => setPlatform(PLATFORMS.find((one) => one.id === id) ?? platform)}
            options={PLATFORMS.map(({ id, name }) => [id, name] as const)}
          />
          <Input
            name="name"
            label="Name"
            required
            maxLength={60}
            placeholder="deploys"
            error={faultOf(error, "name")}
          />
          <Input
            key={`issuer ${platform.id}`}
            name="issuer"
            label="Issuer"
            description={platform.own_issuer ? "As its tokens spell it, to the letter." : undefined}
            type="url"
            required
            defaultValue={platform.issuer}
            readOnly={!platform.own_issuer}
            error={faultOf(error, "issuer")}
          />
          <InputArea
            key={`claims ${platform.id}`}
            name="claims"
            label="Which jobs are meant"
            description="One claim a line, all of which must match. A * stands for any text; several values go between commas."
            className="lines-input"
            rows={3}
            required
            spellCheck={false}
            placeholder={linesOf(platform)}
            error={faultOf(error, "claims")}
          />
          <Tick
            key={`once ${platform.id}`}
            name="single_use"
            label="Take each token once"
            note="Not where a token is kept in a file and shown until it expires, as in a pod."
            checked={!platform.kept}
          />
          <details>
            <summary>Audience and keys</summary>
            <div className="form">
              <Input
                name="audience"
                label="Audience"
                description="What its tokens are made out to. Empty: this trust's own address, which is the safest."
                error={faultOf(error, "audience")}
              />
              <InputArea
                name="jwks"
                label="Its public keys"
                description="A JSON Web Key Set, where the issuer cannot be asked over the network."
                className="lines-input"
                spellCheck={false}
                error={faultOf(error, "jwks")}
              />
            </div>
          </details>
          <h2>What its tokens may do</h2>
          <PolicyBuilder value={policy} onChange={setPolicy} keys={keys} error={error} />
        </div>
      </Card>
      <InWords
        policy={policy}
        keys={keys}
        error={error}
        fields={FIELDS}
        busy={busy}
        submit="Let it in"
        onCancel={() => go("/devices")}
      />
    </form>
  );
}

function Made({ trust, platform }: { trust: Trust; platform: Platform }): ReactNode {
  return (
    <Page
      title={`${trust.name} is let in`}
      lead="Nothing here is secret: only a token of the job itself opens anything."
      actions={<LinkButton href="/devices">Done</LinkButton>}
    >
      <Card title="In the job" lead="It ends with a token of fifteen minutes in LOCKER_TOKEN.">
        <Snippet label="How a job gets its token" text={platform.job(trust.address, location.origin)} />
      </Card>
    </Page>
  );
}

function linesOf({ claims }: Platform): string {
  return claims.map(([claim, example]) => `${claim} = ${example}`).join("\n");
}

/** `claim = value, value` a line. */
function claimsIn(text: string): Wish["claims"] {
  const lines = text.split("\n").filter((line) => line.trim() !== "");
  return Object.fromEntries(
    lines.map((line) => {
      const [claim = "", ...rest] = line.split("=");
      const values = rest.join("=").split(",");
      return [claim.trim(), values.map((value) => value.trim()).filter((value) => value !== "")];
    }),
  );
}

function keysIn(text: string): NonNullable<Wish["jwks"]> {
  try {
    return JSON.parse(text) as NonNullable<Wish["jwks"]>;
  } catch {
    throw new Refused(422, { errors: [{ field: "jwks", rule: "must be a JSON Web Key Set" }] });
  }
}
