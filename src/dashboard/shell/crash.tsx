import { Component, type ReactNode } from "react";
import { Failed } from "../ui/states.tsx";

/** Keeps the menu on screen when a page falls over, or when its code was replaced by a newer release. */
export class Crash extends Component<{ children: ReactNode }, { fault: Error | undefined }> {
  override state: { fault: Error | undefined } = { fault: undefined };

  static getDerivedStateFromError(fault: Error): { fault: Error } {
    return { fault };
  }

  override render(): ReactNode {
    if (this.state.fault === undefined) return this.props.children;
    return <Failed error={new Error("This page could not be shown. Load it again.")} retry={() => void loadAgain()} />;
  }
}

/** Not where there is nothing to load it from: the menu would go, and Freeze with it. */
async function loadAgain(): Promise<void> {
  await fetch(location.href, { method: "HEAD" }).then(
    () => location.reload(),
    () => undefined,
  );
}
