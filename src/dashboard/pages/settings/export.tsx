import type { ReactNode } from "react";
import { addressOf } from "../../data/api.ts";
import { signedInRecently, type Me } from "../../data/me.ts";
import { Download } from "../../ui/download.tsx";
import { Card } from "../../ui/page.tsx";
import { RecentSignIn } from "../../ui/recent_sign_in.tsx";

/** Everything but secrets, as a file. */
export function ExportAccount({ of }: { of: Me }): ReactNode {
  return (
    <Card
      title="Export"
      lead="Keys without their secrets, tokens, sessions and identities as JSON. The activity is exported on its own page."
    >
      {signedInRecently(of) ? (
        <div>
          <Download href={addressOf("GET /me/export", {})} name="apilocker.json">
            Export as JSON
          </Download>
        </div>
      ) : (
        <RecentSignIn what="export the account" />
      )}
    </Card>
  );
}
