import { Button } from "@cloudflare/kumo/components/button";
import { Input } from "../../ui/input.tsx";
import type { ReactNode } from "react";
import type { Me } from "../../data/me.ts";
import { useAct, useAnswer } from "../../data/queries.ts";
import { faultOf, FormFault, useForm } from "../../ui/form.tsx";
import { LinkButton } from "../../ui/link_button.tsx";
import { Card, Page } from "../../ui/page.tsx";
import { Answered } from "../../ui/states.tsx";
import { useTold } from "../../ui/told.ts";
import { DeleteAccount } from "./delete.tsx";
import { ExportAccount } from "./export.tsx";
import { Identities } from "./identities.tsx";

/** The account itself. */
export function Settings(): ReactNode {
  const me = useAnswer("GET /me", {});
  return (
    <Page title="Settings">
      <Answered of={me} lines={8}>
        {(found) => (
          <>
            <Name key={found.name} of={found} />
            <Identities of={found} />
            <Card
              title="Freezing"
              lead="Freeze everything by hand at any time; or let an alert pause the offender, or all, by itself."
            >
              <div>
                <LinkButton href="/alerts#rules">What freezes by itself</LinkButton>
              </div>
            </Card>
            <ExportAccount of={found} />
            <DeleteAccount of={found} />
          </>
        )}
      </Answered>
    </Page>
  );
}

function Name({ of }: { of: Me }): ReactNode {
  const change = useAct("PATCH /me");
  const tell = useTold();
  const { busy, error, submit } = useForm(async (typed) => {
    const done = change.mutateAsync({ body: { name: typed.text("name") } });
    await tell(done, "Saved");
  });
  return (
    <Card title="Name" lead="What this account is called, here and on your devices.">
      <form className="inline-form" onSubmit={submit}>
        <Input
          name="name"
          aria-label="Name of the account"
          defaultValue={of.name ?? ""}
          placeholder={of.session?.name ?? ""}
          required
          maxLength={100}
          error={faultOf(error, "name")}
        />
        <Button type="submit" loading={busy}>
          Save
        </Button>
      </form>
      <FormFault error={error} fields={["name"]} />
    </Card>
  );
}
