import { useEffect, useState } from 'preact/hooks';
import type { JSX } from 'preact';
import { Page } from './parts.tsx';

type View = (props: { readonly rest: string }) => JSX.Element;

/** A view whose script loads when a person opens it. */
export function lazy(load: () => Promise<View>): View {
  let loaded: View | undefined;
  return function Lazy(props) {
    const [view, setView] = useState<{ readonly of: View }>();
    const [isMissing, setMissing] = useState(false);
    useEffect(() => {
      load().then(
        (of) => {
          loaded = of;
          setView({ of });
        },
        () => setMissing(true),
      );
    }, []);
    const Loaded = view?.of ?? loaded;
    if (Loaded !== undefined) return <Loaded {...props} />;
    return isMissing ? <Missing /> : <Waiting />;
  };
}

function Waiting(): JSX.Element {
  return <Page title="Loading…" heading={<span class="quiet loading">Loading…</span>} />;
}

/** After an upgrade the broker has no scripts of the build before it. */
function Missing(): JSX.Element {
  return (
    <Page title="This page is outdated">
      <p>The broker no longer has this part of the page.</p>
      <button type="button" onClick={() => location.reload()}>
        Load the new page
      </button>
    </Page>
  );
}
