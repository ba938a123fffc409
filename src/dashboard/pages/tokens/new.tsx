import { Button } from "@cloudflare/kumo/components/button";
import { Input } from "@cloudflare/kumo/components/input";
import { useState, type ReactNode } from "react";
import { useLocation, useSearchParams } from "wouter";
import { useKeys, type Key } from "../../data/key_names.ts";
import { useAct } from "../../data/queries.ts";
import { faultOf, FormFault, useForm } from "../../ui/form.tsx";
import { LinkButton } from "../../ui/link_button.tsx";
import { Card, Page } from "../../ui/page.tsx";
import { Answered, Empty } from "../../ui/states.tsx";
import { PolicyBuilder } from "./builder.tsx";
import { CreatedToken, type Created } from "./created.tsx";
import type { Policy } from "./policy.ts";
import { policyInWords } from "./words.ts";

/** Create a token: its name, what it may do, and then its secret, once. */
export function NewToken(): ReactNode {
  const keys = useKeys();
  const [created, setCreated] = useState<Created>();
  if (created !== undefined) return <CreatedToken of={created} keys={keys.data ?? []} />;
  return (
    <Page title="Create a token" lead="What it may not do is refused, and the refusal is on record.">
      <Answered of={keys} lines={8}>
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
            <TokenForm keys={all} onCreated={setCreated} />
          )
        }
      </Answered>
    </Page>
  );
}

function TokenForm({ keys, onCreated }: { keys: readonly Key[]; onCreated: (created: Created) => void }): ReactNode {
  const [search] = useSearchParams();
  const [, go] = useLocation();
  const wished = keys.find(({ name }) => name === search.get("key")) ?? (keys.length === 1 ? keys[0] : undefined);
  const [policy, setPolicy] = useState<Policy>(wished === undefined ? {} : { keys: [wished.id] });
  const create = useAct("POST /tokens");
  const names = new Map(keys.map(({ id, name }) => [id, name]));
  const { busy, error, submit } = useForm(async (typed) => {
    const name = typed.text("name");
    const { id, token } = await create.mutateAsync({ body: { name, policy } });
    onCreated({ id, name, token, policy });
  });
  return (
    <form className="columns main-aside" onSubmit={submit}>
      <Card>
        <div className="form">
          <Input
            name="name"
            label="Name"
            description="Which app is it for?"
            defaultValue={wished === undefined ? "" : `${wished.name} app`}
            required
            maxLength={100}
            error={faultOf(error, "name")}
          />
          <PolicyBuilder value={policy} onChange={setPolicy} keys={keys} error={error} />
        </div>
      </Card>
      <Card title="In words">
        <p className="sentence" aria-live="polite">
          {policyInWords(policy, names)}
        </p>
        <FormFault error={error} fields={["name", "policy"]} />
        <div className="form-foot">
          <Button type="submit" variant="primary" loading={busy}>
            Create the token
          </Button>
          <Button type="button" onClick={() => go("/tokens")}>
            Cancel
          </Button>
        </div>
      </Card>
    </form>
  );
}
