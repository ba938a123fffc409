import { Input } from "../../ui/input.tsx";
import { useState, type ReactNode } from "react";
import { useLocation, useSearchParams } from "wouter";
import { useKeys, type Key } from "../../data/key_names.ts";
import { useAct, useAnswer } from "../../data/queries.ts";
import { Choice } from "../../ui/choice.tsx";
import { faultOf, useForm } from "../../ui/form.tsx";
import { LinkButton } from "../../ui/link_button.tsx";
import { Card, Page } from "../../ui/page.tsx";
import { Answered, Empty } from "../../ui/states.tsx";
import { PolicyBuilder } from "./builder.tsx";
import { CreatedToken, type Created } from "./created.tsx";
import { InWords } from "./in_words.tsx";
import type { TokenDetails } from "./token.tsx";
import { written, type Policy } from "./policy.ts";

type Rotation = TokenDetails["rotation"];

const ROTATIONS: readonly (readonly [Rotation, string])[] = [
  ["static", "None"],
  ["hourly", "Every hour"],
  ["daily", "Every day"],
  ["weekly", "Every week"],
  ["monthly", "Every month"],
];

/** Create a token: its name, what it may do, and then its secret, once. */
export function NewToken(): ReactNode {
  const keys = useKeys();
  const [search] = useSearchParams();
  const replaced = search.get("like");
  const like = useAnswer("GET /tokens/{id}", { params: { id: replaced ?? "" } }, { when: replaced !== null });
  const [created, setCreated] = useState<Created>();
  if (created !== undefined) return <CreatedToken of={created} keys={keys.data ?? []} />;
  return (
    <Page
      title={replaced === null ? "Create a token" : "Replace a token"}
      lead={
        replaced === null
          ? "What it may not do is refused, and the refusal is on record."
          : "A new token that may do the same. Put it in the old one's place, then revoke the old one."
      }
    >
      <Answered of={replaced === null || like.data !== undefined ? keys : { ...like, data: undefined }} lines={8}>
        {(all) =>
          all.length === 0 ? (
            <Card>
              <Empty
                icon="key"
                title="There is no key to reach yet"
                action={
                  <LinkButton href="/keys/new" variant="primary">
                    Add a key
                  </LinkButton>
                }
              >
                A token stands for keys that are in the locker. Store one first.
              </Empty>
            </Card>
          ) : (
            <TokenForm keys={all} like={like.data} onCreated={setCreated} />
          )
        }
      </Answered>
    </Page>
  );
}

type TokenFormProps = { keys: readonly Key[]; like: TokenDetails | undefined; onCreated: (created: Created) => void };

function TokenForm({ keys, like, onCreated }: TokenFormProps): ReactNode {
  const [search] = useSearchParams();
  const [, go] = useLocation();
  const wished = keys.find(({ name }) => name === search.get("key")) ?? (keys.length === 1 ? keys[0] : undefined);
  const [policy, setPolicy] = useState<Policy>(like?.policy ?? (wished === undefined ? {} : { keys: [wished.id] }));
  const [rotation, setRotation] = useState<Rotation>(like?.rotation ?? "static");
  const create = useAct("POST /tokens");
  const { busy, error, submit } = useForm(async (typed) => {
    const name = typed.text("name");
    const { id, token, refresh_token } = await create.mutateAsync({
      body: { name, policy: written(policy), rotation },
    });
    onCreated({ id, name, token, refresh_token, policy, replaces: like });
  });
  return (
    <form className="columns main-aside" onSubmit={submit}>
      <Card>
        <div className="form">
          <Input
            name="name"
            label="Name"
            description="Which app is it for?"
            defaultValue={like?.name ?? (wished === undefined ? "" : `${wished.name} app`)}
            required
            maxLength={100}
            error={faultOf(error, "name")}
          />
          <Choice
            label="Renewal"
            value={rotation}
            onChange={setRotation}
            options={ROTATIONS}
            description={
              rotation === "static"
                ? "The token stays the same until you revoke it."
                : "The app exchanges a refresh token for the next one. A stolen token is soon worthless, and a stolen refresh token is noticed."
            }
          />
          <PolicyBuilder value={policy} onChange={setPolicy} keys={keys} error={error} />
        </div>
      </Card>
      <InWords
        policy={policy}
        keys={keys}
        error={error}
        fields={["name", "policy"]}
        busy={busy}
        submit="Create the token"
        onCancel={() => go("/tokens")}
      />
    </form>
  );
}
