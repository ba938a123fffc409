import { Button } from "@cloudflare/kumo/components/button";
import { Input, InputArea } from "../../ui/input.tsx";
import { useState, type ReactNode } from "react";
import type { Given } from "../../data/api.ts";
import { placementInWords, type Provider } from "../../data/providers.ts";
import { fieldsOf, type SecretField } from "../../data/secret_fields.ts";
import { useAct } from "../../data/queries.ts";
import { Icon } from "../../shell/icons.tsx";
import { faultOf, FormFault, Tick, useForm, type Typed } from "../../ui/form.tsx";
import { Card } from "../../ui/page.tsx";
import { tagsIn } from "./tags.ts";
import { PlacementFields, placementIn } from "./placement.tsx";
import { SecretFields, secretIn } from "./secret.tsx";
import type { StoredKey } from "./test.tsx";

type NewKey = Given<"POST /keys">["body"];

const FIELDS = ["name", "secret", "fields", "base_url", "tags", "note", "expires_at"];

type KeyFormProps = { provider: Provider; onStored: (key: StoredKey) => void; onCancel: () => void };

/** Stores a key of a provider. The secret goes from the field to the request and stays nowhere. */
export function KeyForm({ provider, onStored, onCancel }: KeyFormProps): ReactNode {
  const create = useAct("POST /keys");
  const [placement, setPlacement] = useState<Provider["placement"]["in"]>(provider.placement.in);
  const custom = provider.id === "custom";
  const fields = custom ? fieldsOf({ placement: plain(placement) }) : fieldsOf(provider);
  const { busy, error, submit } = useForm(async (typed, form) => {
    const stored = await create.mutateAsync({ body: keyIn(typed, provider, fields) });
    form.reset();
    onStored(stored);
  });
  return (
    <Card>
      <form className="form" onSubmit={submit} autoComplete="off">
        <div className="note">
          <Icon name="shield" />
          <div>
            {provider.base_url === undefined ? (
              <>The secret will be sent only to the address below, as </>
            ) : (
              <>
                The secret will be sent only to <strong>{provider.base_url}</strong>, as{" "}
              </>
            )}
            {custom ? "you choose." : <code>{placementInWords(provider.placement)}</code>}
            {provider.docs_url === "" ? null : (
              <>
                {" "}
                <a className="link" href={provider.docs_url} target="_blank" rel="noreferrer noopener">
                  Where to get one
                </a>
              </>
            )}
          </div>
        </div>
        <Input
          name="name"
          label="Name"
          description="What your apps call it by. An environment may follow, as in openai@prod."
          defaultValue={custom ? "" : provider.id}
          required
          maxLength={97}
          spellCheck={false}
          error={faultOf(error, "name")}
        />
        {provider.base_url === undefined ? (
          <Input
            name="base_url"
            label="Base URL"
            type="url"
            placeholder={provider.base_url_hint ?? ""}
            required
            error={faultOf(error, "base_url")}
          />
        ) : null}
        {custom ? <PlacementFields value={placement} onChange={setPlacement} error={error} /> : null}
        <SecretFields fields={fields} error={error} />
        <details>
          <summary>More</summary>
          <div className="form">
            <Input
              name="tags"
              label="Tags"
              description="Separated by commas. A token may reach every key of a tag."
              error={faultOf(error, "tags")}
            />
            <InputArea name="note" label="Note" maxLength={2000} error={faultOf(error, "note")} />
            <Input name="expires_at" label="Expires" type="datetime-local" error={faultOf(error, "expires_at")} />
            <Tick
              name="revealable"
              label="Devices may see it"
              note="Only with an elevation that you give in this browser. You can always see it here."
            />
            <Tick
              name="scrub"
              label="Remove the secret from every answer"
              note="Answers of the API that repeat the secret have it cut out. Always done for errors and headers; costs a little for bodies."
            />
          </div>
        </details>
        {provider.note === undefined ? null : <p className="field-note">{provider.note}</p>}
        <FormFault error={error} fields={FIELDS} />
        <div className="form-foot">
          <Button type="submit" variant="primary" loading={busy}>
            Store the key
          </Button>
          <Button type="button" onClick={onCancel}>
            Cancel
          </Button>
        </div>
      </form>
    </Card>
  );
}

function keyIn(typed: Typed, provider: Provider, fields: readonly SecretField[]): NewKey {
  const expires = typed.given("expires_at");
  return {
    name: typed.text("name"),
    provider: provider.id,
    ...secretIn(typed, fields),
    ...(provider.base_url === undefined ? { base_url: typed.text("base_url") } : {}),
    ...(provider.id === "custom" ? { placement: placementIn(typed) } : {}),
    tags: tagsIn(typed.text("tags")),
    revealable: typed.ticked("revealable"),
    scrub: typed.ticked("scrub"),
    ...(expires === undefined ? {} : { expires_at: new Date(expires).toISOString() }),
    note: typed.given("note"),
  };
}

/** The placement as far as its fields are concerned. */
function plain(kind: Provider["placement"]["in"]): Provider["placement"] {
  if (kind === "basic") return { in: "basic" };
  return kind === "oauth" ? { in: "oauth", token_url: "" } : { in: "bearer" };
}
