import { Button } from "@cloudflare/kumo/components/button";
import { Input } from "../../ui/input.tsx";
import { useState, type ReactNode } from "react";
import type { Answer } from "../../data/api.ts";
import { useProviders } from "../../data/providers.ts";
import { useAct, useWhole } from "../../data/queries.ts";
import { Choice } from "../../ui/choice.tsx";
import { Modal } from "../../ui/dialog.tsx";
import { faultOf, FormFault, FormFoot, type Typed, useForm } from "../../ui/form.tsx";
import { List, type Column } from "../../ui/list.tsx";
import { RowMenu } from "../../ui/menu.tsx";
import { Card } from "../../ui/page.tsx";
import { Empty } from "../../ui/states.tsx";
import { useTold } from "../../ui/told.ts";

type Price = Answer<"GET /prices">["items"][number];

const FIELDS = ["provider", "model", "input", "output", "cached_input", "cache_write"] as const;

/** What models are taken to cost: the catalog's prices with their date, and one's own over them. */
export function Prices(): ReactNode {
  const prices = useWhole("GET /prices", {});
  const providers = useProviders();
  const [chosen, setChosen] = useState("");
  const [changing, setChanging] = useState<Price | "new">();
  const reset = useAct("POST /prices/reset");
  const tell = useTold();
  const drop = ({ provider: of, model }: Price) =>
    void tell(reset.mutateAsync({ body: { provider: of, model } }), "Your price is gone");
  const nameOf = (id: string) => providers.data?.find((one) => one.id === id)?.name ?? id;
  const all = prices.data ?? [];
  const priced = [...new Set(all.map(({ provider }) => provider))];
  // Until somebody asks for another, what is their own, or else the first provider's.
  const own = all.some((price) => price.own);
  const provider = chosen === "" || (chosen === "own" && !own) ? (own ? "own" : (priced[0] ?? "")) : chosen;
  const shown = all.filter((price) => (provider === "own" ? price.own : price.provider === provider));
  const columns: readonly Column<Price>[] = [
    {
      head: "Model",
      cell: ({ model, own: mine, as_of, provider: of }) => (
        <div className="main-cell">
          <code>{model === "" ? "any other" : model}</code>
          <small>
            {provider === "own" ? `${nameOf(of)} · ` : ""}
            {mine ? `your own, since ${as_of}` : `the catalog's, of ${as_of}`}
          </small>
        </div>
      ),
    },
    { head: "Input", kind: "number", cell: ({ input }) => amount(input) },
    { head: "Output", kind: "number", cell: ({ output }) => amount(output) },
    { head: "Cached input", kind: "number", wide: true, cell: ({ cached_input }) => amount(cached_input) },
    { head: "Cache write", kind: "number", wide: true, cell: ({ cache_write }) => amount(cache_write) },
    {
      head: "Actions",
      kind: "actions",
      cell: (price) => (
        <RowMenu
          name={price.model === "" ? `any other model of ${nameOf(price.provider)}` : price.model}
          actions={[
            { label: "Change…", act: () => setChanging(price) },
            ...(price.own ? [{ label: "Back to the catalog's", act: () => drop(price) }] : []),
          ]}
        />
      ),
    },
  ];
  return (
    <Card
      flush
      title="Prices"
      lead="US dollars a million tokens. The longest beginning of a model's name that fits counts; unknown models cost as much as the dearest."
      actions={
        <>
          <Choice
            label="Provider"
            hideLabel
            value={provider}
            onChange={setChosen}
            options={[...(own ? [["own", "Your own"] as const] : []), ...priced.map((id) => [id, nameOf(id)] as const)]}
          />
          <Button onClick={() => setChanging("new")}>Set a price</Button>
        </>
      }
    >
      <List
        label="Prices"
        of={{ ...prices, items: prices.data === undefined ? undefined : shown }}
        columns={columns}
        id={({ provider: of, model }) => `${of} ${model}`}
        lines={6}
        empty={<Empty icon="spend" title="No price is known" />}
      />
      {changing === undefined ? null : (
        <SetPrice of={changing === "new" ? undefined : changing} onClose={() => setChanging(undefined)} />
      )}
    </Card>
  );
}

function SetPrice({ of, onClose }: { of: Price | undefined; onClose: () => void }): ReactNode {
  const providers = useProviders();
  const [provider, setProvider] = useState(of?.provider ?? "openai");
  const set = useAct("POST /prices");
  const { busy, error, submit } = useForm(async (typed) => {
    await set.mutateAsync({
      body: {
        provider,
        model: of?.model ?? typed.text("model"),
        input: numberIn(typed, "input") ?? 0,
        output: numberIn(typed, "output") ?? 0,
        cached_input: numberIn(typed, "cached_input"),
        cache_write: numberIn(typed, "cache_write"),
      },
    });
    onClose();
  });
  const field = (name: "input" | "output" | "cached_input" | "cache_write", label: string, required: boolean) => (
    <Input
      name={name}
      label={label}
      type="number"
      min={0}
      step="any"
      inputMode="decimal"
      required={required}
      defaultValue={of?.[name] ?? ""}
      error={faultOf(error, name)}
    />
  );
  return (
    <Modal
      title={of === undefined ? "Set a price" : `The price of ${of.model === "" ? "any other model" : of.model}`}
      lead="US dollars a million tokens. Calls are counted by it from now on; what was counted stays."
      open
      onClose={onClose}
    >
      <form className="stack" onSubmit={submit}>
        {of === undefined ? (
          <>
            <Choice
              label="Provider"
              value={provider}
              onChange={setProvider}
              options={[
                ...(providers.data ?? []).map(({ id, name }) => [id, name] as const),
                ["custom", "Any other API"] as const,
              ]}
            />
            <Input
              name="model"
              label="Model"
              description="Or the beginning of its name. Empty: any other model of this provider."
              spellCheck={false}
              error={faultOf(error, "model")}
            />
          </>
        ) : null}
        <div className="form-row">
          {field("input", "Input", true)}
          {field("output", "Output", true)}
          {field("cached_input", "Cached input", false)}
          {field("cache_write", "Cache write", false)}
        </div>
        <FormFault error={error} fields={FIELDS} />
        <FormFoot verb="Set" busy={busy} onCancel={onClose} />
      </form>
    </Modal>
  );
}

function numberIn(typed: Typed, name: string): number | undefined {
  const text = typed.given(name);
  return text === undefined ? undefined : Number(text);
}

const AMOUNT = new Intl.NumberFormat(undefined, { maximumFractionDigits: 4 });

function amount(value: number | undefined): ReactNode {
  return value === undefined ? <span className="faint">as input</span> : AMOUNT.format(value);
}
