import { Button } from "@cloudflare/kumo/components/button";
import type { ReactNode } from "react";
import { signInAgain } from "../data/api.ts";
import { Icon } from "../shell/icons.tsx";

/** Some things need a sign-in of the last ten minutes (SECURITY S3): why, and the way there and back. */
export function RecentSignIn({ what }: { what: string }): ReactNode {
  return (
    <div className="note">
      <Icon name="shield" />
      <div className="row">
        <span>To {what}, sign in again. It needs a sign-in of the last ten minutes.</span>
        <Button size="sm" onClick={signInAgain}>
          Sign in again
        </Button>
      </div>
    </div>
  );
}
