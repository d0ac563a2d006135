import { mkdtemp, writeFile } from 'node:fs/promises';
import { delimiter, dirname, join } from 'node:path';
import type { KubeAccess } from './kube-calls.ts';
import { runTool, type ToolOutcome } from './run-tool.ts';
import type { Tool } from './tool.ts';

/** The real kubectl with the access of one account, from a kubeconfig of its own. */
export class Kubectl {
  readonly #tool: Tool;
  readonly #kubeconfig: string;

  private constructor(tool: Tool, kubeconfig: string) {
    this.#tool = tool;
    this.#kubeconfig = kubeconfig;
  }

  static async with(tool: Tool, { server, caPem, adminToken }: KubeAccess): Promise<Kubectl> {
    const name = 'test';
    const authority = Buffer.from(caPem).toString('base64');
    const config = {
      apiVersion: 'v1',
      kind: 'Config',
      clusters: [{ name, cluster: { server, 'certificate-authority-data': authority } }],
      users: [{ name, user: { token: adminToken } }],
      contexts: [{ name, context: { cluster: name, user: name } }],
      'current-context': name,
    };
    const kubeconfig = join(await mkdtemp(join(tool.directory, 'access-')), 'kubeconfig');
    await writeFile(kubeconfig, JSON.stringify(config), { mode: 0o600 });
    return new Kubectl(tool, kubeconfig);
  }

  /** Runs kubectl to its end. */
  run(args: readonly string[], input = ''): Promise<ToolOutcome> {
    return runTool(this.#tool, args, { input, env: { KUBECONFIG: this.#kubeconfig } });
  }

  /** Runs kubectl, which must succeed. @returns its output */
  async ok(args: readonly string[], input = ''): Promise<string> {
    const { code, stdout, stderr } = await this.run(args, input);
    if (code !== 0) throw new Error(`kubectl ${args.join(' ')}: ${code} ${stderr}`);
    return stdout;
  }

  /** Runs commands in a shell that finds kubectl, as pasted from a page. */
  paste(script: string): Promise<ToolOutcome> {
    const { program, directory } = this.#tool;
    const PATH = [dirname(program), process.env['PATH'] ?? ''].join(delimiter);
    const env = { PATH, KUBECONFIG: this.#kubeconfig };
    return runTool({ program: 'bash', directory }, ['-ec', script], { env });
  }
}
