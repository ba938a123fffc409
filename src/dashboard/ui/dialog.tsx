import { Button } from "@cloudflare/kumo/components/button";
import { Dialog } from "@cloudflare/kumo/components/dialog";
import { Input } from "./input.tsx";
import { useState, type ReactNode } from "react";
import { Icon } from "../shell/icons.tsx";

type ModalProps = {
  title: string;
  lead?: ReactNode;
  open: boolean;
  onClose: () => void;
  children: ReactNode;
  size?: "sm" | "base" | "lg" | "xl";
};

/** A dialog above the page. It keeps nothing: what was typed or shown in it is gone when it closes. */
export function Modal({ title, lead, open, onClose, children, size = "base" }: ModalProps): ReactNode {
  return (
    <Dialog.Root open={open} onOpenChange={(next: boolean) => (next ? undefined : onClose())}>
      <Dialog size={size} className="modal">
        <div className="modal-head">
          <Dialog.Title className="modal-title">{title}</Dialog.Title>
          <Dialog.Close
            render={(props) => (
              <Button
                {...props}
                variant="ghost"
                shape="square"
                size="sm"
                aria-label="Close"
                icon={<Icon name="close" />}
              />
            )}
          />
        </div>
        {lead === undefined ? null : <Dialog.Description className="lead">{lead}</Dialog.Description>}
        {children}
      </Dialog>
    </Dialog.Root>
  );
}

type ConfirmProps<Done> = {
  title: string;
  lead: ReactNode;
  /** The word on the button that does it. */
  verb: string;
  tone?: "destructive" | "primary";
  /** What has to be typed first, where a slip would be dear. */
  typed?: string;
  open: boolean;
  onClose: () => void;
  act: () => Promise<Done>;
  /** What is shown afterwards; without it the dialog closes. */
  receipt?: (done: Done) => ReactNode;
  onDone?: (done: Done) => void;
};

/** Asks once, does it, and shows what came of it. */
export function Confirm<Done>(props: ConfirmProps<Done>): ReactNode {
  const { title, lead, open, onClose } = props;
  return (
    <Modal title={title} {...(props.receipt === undefined ? { lead } : {})} open={open} onClose={onClose} size="sm">
      <ConfirmBody {...props} />
    </Modal>
  );
}

function ConfirmBody<Done>({
  lead,
  verb,
  tone = "destructive",
  typed,
  onClose,
  act,
  receipt,
  onDone,
}: ConfirmProps<Done>) {
  const [text, setText] = useState("");
  const [state, setState] = useState<
    { at: "asking" | "acting" } | { at: "failed"; error: Error } | { at: "done"; done: Done }
  >({
    at: "asking",
  });
  const run = async () => {
    setState({ at: "acting" });
    try {
      const done = await act();
      onDone?.(done);
      if (receipt === undefined) onClose();
      else setState({ at: "done", done });
    } catch (error) {
      setState({ at: "failed", error: error as Error });
    }
  };
  if (state.at === "done") {
    return (
      <>
        {receipt?.(state.done)}
        <div className="modal-foot">
          <Button variant="primary" onClick={onClose}>
            Close
          </Button>
        </div>
      </>
    );
  }
  return (
    <form
      className="stack"
      onSubmit={(event) => {
        event.preventDefault();
        void run();
      }}
    >
      {receipt === undefined ? null : <p className="lead">{lead}</p>}
      {typed === undefined ? null : (
        <Input
          label={`Type ${typed} to confirm`}
          value={text}
          onChange={(event) => setText(event.target.value)}
          autoComplete="off"
          spellCheck={false}
        />
      )}
      {state.at === "failed" ? (
        <p className="problem" role="alert">
          {state.error.message}
        </p>
      ) : null}
      <div className="modal-foot">
        <Button type="button" onClick={onClose}>
          Cancel
        </Button>
        <Button
          type="submit"
          variant={tone}
          loading={state.at === "acting"}
          disabled={typed !== undefined && text !== typed}
        >
          {verb}
        </Button>
      </div>
    </form>
  );
}
