import { Input } from "../../ui/input.tsx";
import { useState, type ReactNode } from "react";
import { useLocation } from "wouter";
import { useKeys, type Key } from "../../data/key_names.ts";
import { useAct, useAnswer } from "../../data/queries.ts";
import { faultOf, useForm } from "../../ui/form.tsx";
import { Card, Page } from "../../ui/page.tsx";
import { PageOf } from "../../ui/page_of.tsx";
import { Answered } from "../../ui/states.tsx";
import { PolicyBuilder } from "./builder.tsx";
import { InWords } from "./in_words.tsx";
import { patchBetween } from "./policy.ts";
import type { TokenDetails } from "./token.tsx";

/** Change what a token may do. Whatever it has open that it may no more is cut. */
export function EditToken({ id }: { id: string }): ReactNode {
  const token = useAnswer("GET /tokens/{id}", { params: { id } });
  const keys = useKeys();
  return (
    <PageOf title="Edit a token" of={token}>
      {(of) => (
        <Page title={`Edit ${of.name}`} lead="It works at once. Whatever is open and no longer allowed is cut.">
          <Answered of={keys} lines={8}>
            {(all) => <EditForm of={of} keys={all} />}
          </Answered>
        </Page>
      )}
    </PageOf>
  );
}

function EditForm({ of: opened, keys }: { of: TokenDetails; keys: readonly Key[] }): ReactNode {
  // As it was when the form was opened: what is chosen is not overwritten by what is read meanwhile.
  const [of] = useState(opened);
  const [, go] = useLocation();
  const [policy, setPolicy] = useState(of.policy);
  const change = useAct("PATCH /tokens/{id}");
  const { busy, error, submit } = useForm(async (typed) => {
    const name = typed.text("name");
    const patch = patchBetween(of.policy, policy);
    await change.mutateAsync({
      params: { id: of.id },
      body: { name: name === of.name ? undefined : name, policy: Object.keys(patch).length === 0 ? undefined : patch },
    });
    go(`/tokens/${of.id}`);
  });
  return (
    <form className="columns main-aside" onSubmit={submit}>
      <Card>
        <div className="form">
          <Input
            name="name"
            label="Name"
            defaultValue={of.name}
            required
            maxLength={100}
            error={faultOf(error, "name")}
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
        submit="Save"
        onCancel={() => go(`/tokens/${of.id}`)}
      />
    </form>
  );
}
