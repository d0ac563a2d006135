import { Component } from 'preact';
import type { ComponentChildren } from 'preact';
import { BUILD } from './client.ts';
import { Page, State } from './parts.tsx';

interface BoundaryProps {
  /** The address of what is inside: another address is tried anew. */
  readonly path: string;
  readonly children: ComponentChildren;
}

interface Failure {
  readonly path: string;
  readonly error: unknown;
}

/** Keeps an exception of a view in its place: the navigation stays, and the person learns what happened. */
export class Boundary extends Component<BoundaryProps, { readonly failure?: Failure }> {
  override componentDidCatch(error: unknown): void {
    this.setState({ failure: { path: this.props.path, error } });
  }

  override render(): ComponentChildren {
    const { failure } = this.state;
    const { path, children } = this.props;
    return failure?.path === path ? <Failed error={failure.error} /> : children;
  }
}

function Failed({ error }: { readonly error: unknown }): ComponentChildren {
  return (
    <Page title="This page failed">
      <div class="problem bad" role="alert">
        <p>
          <State tone="bad">The page could not show an answer of the broker</State>
        </p>
        <p>
          <bdi>{String(error)}</bdi>
        </p>
        <p class="quiet">
          Build <code>{BUILD}</code> of the console. The fault is in this page: the command line
          shows what you look for.
        </p>
      </div>
      <button type="button" onClick={() => location.reload()}>
        Load again
      </button>
    </Page>
  );
}
