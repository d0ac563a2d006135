import { VEX_STATES, type VexStatement } from '../evidence.ts';
import {
  checkTotal,
  digestIn,
  fieldText,
  findingsOf,
  instantOf,
  keptName,
  shortText,
  type Report,
} from './report.ts';
import { type JsonNode, MalformedJson } from '../../text/json-node.ts';

/** One product of a statement: an image, or a package of the image that the sender names. */
interface Product {
  readonly digest: string | undefined;
  /** Packages; empty: the whole image. */
  readonly purls: readonly string[];
}

/** OpenVEX 0.0.1 and 0.2.0: statements of the vendor of an image. */
export function readOpenVex(root: JsonNode, image: readonly string[]): Report {
  const statements = findingsOf(root.at('statements')).map((node) => ({
    node,
    products: node.at('products').items().map(product),
  }));
  checkTotal(statements.reduce((sum, { products }) => sum + products.length, 0));
  const named = new Set(
    statements.flatMap(({ products }) => products.flatMap(({ digest }) => digest ?? [])),
  );
  const chosen = image.length > 0 ? image : [...named];
  if (chosen.length > 1 && image.length === 0) {
    throw new MalformedJson(
      '/statements',
      `is about ${chosen.length} images: send it once for each, and name the digest`,
    );
  }
  const isAbout = ({ digest }: Product): boolean => digest === undefined || chosen.includes(digest);
  return {
    scanner: keptName(root.at('author')),
    scannerVersion: shortText(root.at('tooling')),
    manifests: [...named].filter((digest) => chosen.includes(digest)),
    configs: [],
    reportedAt: instantOf(root.at('timestamp')),
    sections: {
      vex: {
        findings: statements.flatMap(({ node, products }) =>
          products.filter(isAbout).map((each) => statement(node, each)),
        ),
      },
    },
  };
}

function statement(node: JsonNode, { purls }: Product): VexStatement {
  const word = fieldText(node.at('status'));
  const state = VEX_STATES.find((each) => each === word);
  if (state === undefined) {
    throw new MalformedJson(`${node.pointer}/status`, `must be one of ${VEX_STATES.join(', ')}`);
  }
  return { ids: idsOf(node.at('vulnerability')), purls, state };
}

function idsOf(node: JsonNode): readonly string[] {
  if (typeof node.value === 'string') return [keptName(node)];
  const aliases = node
    .at('aliases')
    .items()
    .map((alias) => keptName(alias));
  return [keptName(node.at('name')), ...aliases].slice(0, 8);
}

function product(node: JsonNode): Product {
  if (typeof node.value === 'string') return productOf(keptName(node), []);
  const own = fieldText(node.at('identifiers', 'purl')) || keptName(node.at('@id'));
  const parts = node
    .at('subcomponents')
    .items()
    .map((part) => {
      const text = typeof part.value === 'string' ? part : part.at('@id');
      return bare(keptName(text));
    });
  const hash = fieldText(node.at('hashes', 'sha-256'));
  const made = productOf(own, parts);
  const [digest = made.digest] = hash === '' ? [] : digestIn(`sha256:${hash}`);
  return { ...made, digest };
}

/** A product that is not an image is a package of the image that the sender names. */
function productOf(id: string, parts: readonly string[]): Product {
  const name = bare(id).replaceAll(/%3a/gi, ':');
  const isImage = name.startsWith('pkg:oci/') || name.startsWith('pkg:docker/');
  const [digest] = digestIn(name);
  if (isImage || digest !== undefined) return { digest, purls: parts };
  return { digest: undefined, purls: parts.length > 0 ? parts : [bare(id)] };
}

function bare(purl: string): string {
  return purl.split(/[?#]/, 1)[0] ?? purl;
}
