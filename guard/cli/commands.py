"""The command line proper: guard's own options, the guarded tools and guard's own commands."""

from __future__ import annotations

import sys
from dataclasses import fields
from pathlib import Path
from typing import Any

import click

from guard import __version__, limits
from guard.app import App, Options
from guard.cli.common import common_options, plain_options
from guard.cli.main import split_at_command
from guard.clients.words import CLIENTS
from guard.errors import ExitCode


@click.group(
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110},
    epilog="Everything after pip belongs to pip; guard's own options stand before it.",
)
@click.option(
    "--policy",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="Policy to use instead of the guard.toml files that are found.",
)
@click.option(
    "--trust-root",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="Sigstore trusted root to use instead of the one that guard ships.",
)
@click.option("--report", type=click.Path(path_type=Path), metavar="FILE", help="Write the JSON report of the command.")
@click.option(
    "--same-environment", is_flag=True, help="Allow pip to change the environment that guard itself runs from."
)
@click.option("--pip", metavar="NAME", help="Drive the pip of this name, such as pip3.12, not the first pip or pip3.")
@click.option("--no-progress", is_flag=True, help="Show no progress on a terminal.")
@click.option(
    "--color",
    type=click.Choice(["auto", "always", "never"]),
    default="auto",
    show_default=True,
    help="Colours in guard's own output.",
)
@click.option("-v", "--verbose", count=True, help="Say more: which pip, every file and who built it.")
@click.option("-q", "--quiet", is_flag=True, help="Say nothing when the command is allowed.")
@click.version_option(__version__, prog_name="guard", message="%(prog)s %(version)s")
@click.pass_context
def guard(context: click.Context, /, **values: Any) -> None:
    """Install with pip only what was verified: digests, Sigstore provenance, and the publisher's identity."""
    values["progress"] = not values.pop("no_progress")
    context.obj = App.from_process(Options(**values), command=context.obj or ())


@guard.command(
    context_settings={"ignore_unknown_options": True, "allow_interspersed_args": False, "help_option_names": []},
    options_metavar="",
)
@click.argument("arguments", nargs=-1, type=click.UNPROCESSED, metavar="ARGS...")
@click.pass_obj
def pip(app: App, arguments: tuple[str, ...]) -> int:
    """Run pip, guarded: install, download, wheel and lock are decided first, other commands pass through."""
    from guard.managers.pip.driver import run_pip

    return run_pip(app, arguments)


@guard.command(
    context_settings={"ignore_unknown_options": True, "allow_interspersed_args": False, "help_option_names": []},
    options_metavar="",
)
@click.argument("arguments", nargs=-1, type=click.UNPROCESSED, metavar="ARGS...")
@click.pass_obj
def npm(app: App, arguments: tuple[str, ...]) -> int:
    """Run npm, guarded: what installs is decided first, other commands pass through."""
    from guard.managers.npm.driver import run_npm

    return run_npm(app, arguments)


@guard.command(
    context_settings={"ignore_unknown_options": True, "allow_interspersed_args": False, "help_option_names": []},
    options_metavar="",
)
@click.argument("arguments", nargs=-1, type=click.UNPROCESSED, metavar="ARGS...")
@click.pass_obj
def npx(app: App, arguments: tuple[str, ...]) -> int:
    """Run npx, guarded: the packages of the program are decided before it starts."""
    from guard.managers.npm.driver import run_npx

    return run_npx(app, arguments)


def _add_client(word: str, summary: str) -> None:
    """Add the command of a client; everything after its word belongs to the client."""

    @guard.command(
        word,
        help=summary,
        context_settings={"ignore_unknown_options": True, "allow_interspersed_args": False, "help_option_names": []},
        options_metavar="",
    )
    @click.argument("arguments", nargs=-1, type=click.UNPROCESSED, metavar="ARGS...")
    @click.pass_obj
    def client(app: App, arguments: tuple[str, ...]) -> int:
        from guard.clients.driver import run_client

        return run_client(app, word, arguments)


for _word, _summary in CLIENTS.items():
    _add_client(_word, _summary)


@guard.group()
def shims() -> None:
    """Put guard behind the plain words pip, pip3, npm and npx."""


@shims.command("install")
@click.option(
    "--shell",
    "shells",
    type=click.Choice(["bash", "zsh", "fish"]),
    multiple=True,
    help="Tell this shell only; may be repeated. Without: every one that is in use.",
)
@click.option("--no-shell", is_flag=True, help="Tell no shell: print the line that sets PATH.")
@click.option(
    "--tool",
    "tools",
    multiple=True,
    metavar="TOOL",
    help="Give this tool a shim as well: pip3.X, or a client that guard knows; may be repeated.",
)
@click.pass_obj
@plain_options
def shims_install(app: App, shells: tuple[str, ...], tools: tuple[str, ...], *, no_shell: bool) -> int:
    """Write the shims and put them in front of PATH in every new shell.

    Those that are there already stay.
    """
    from guard.cli.shims import install, is_known_tool

    if shells and no_shell:
        raise click.UsageError("--shell and --no-shell exclude each other")
    for tool in tools:
        if not is_known_tool(tool, guard.commands):
            raise click.UsageError(f"guard knows no tool {tool!r} that could have a shim")
    return install(app, shells, tools=tools, tells_shells=not no_shell)


@shims.command("remove")
@click.pass_obj
@plain_options
def shims_remove(app: App) -> int:
    """Remove the shims and bring back every file that installing changed."""
    from guard.cli.shims import remove

    return remove(app)


@shims.command("status")
@click.pass_obj
@plain_options
def shims_status(app: App) -> int:
    """Say for each tool whether it is guarded here, and which tool is behind it."""
    from guard.cli.shims import print_status

    return print_status(app)


@guard.command()
@click.option("--format", "style", type=click.Choice(["text", "json"]), default="text", show_default=True)
@click.pass_obj
@plain_options
def doctor(app: App, *, style: str) -> int:
    """Say every way an install could start here: guarded, open with the line that mends it, or worth knowing.

    Ends with 10 where something is open.
    """
    from guard.cli.doctor import run_doctor

    return run_doctor(app, words=frozenset(guard.commands), as_json=style == "json")


@guard.group()
def policy() -> None:
    """Begin a policy, look at the one in force, and trust one that a project brings."""


@policy.command("check")
@click.pass_obj
@plain_options
def policy_check(app: App) -> int:
    """Read the policy that is in force here and say which files make it."""
    from guard.cli.policy import check_policy

    return check_policy(app)


@policy.command("init")
@click.pass_obj
@plain_options
def policy_init(app: App) -> int:
    """Write a guard.toml with comments into this folder; one that is there is kept."""
    from guard.cli.policy import init_policy

    return init_policy(app)


@policy.command("show")
@click.argument("spec", required=False)
@click.option("--format", "style", type=click.Choice(["text", "json"]), default="text", show_default=True)
@click.pass_obj
@plain_options
def policy_show(app: App, spec: str | None, *, style: str) -> int:
    """Say what is asked of SPEC (pypi:NAME[==VERSION] or npm:NAME[@VERSION]), and where each value stands.

    Without SPEC, what is asked of every package that no [[package]] names.
    """
    from guard.cli.policy import show_policy

    return show_policy(app, spec, as_json=style == "json")


@policy.command("trust")
@click.argument("file", type=click.Path(path_type=Path), default="guard.toml")
@click.pass_obj
@plain_options
def policy_trust(app: App, file: Path) -> int:
    """Let the indexes and the trust root that FILE names take effect for you, as long as its content stays the same."""
    from guard.cli.policy import trust_policy

    return trust_policy(app, file)


@guard.group("trust-root")
def trust_root() -> None:
    """Look at the Sigstore trust root, and refresh it."""


@trust_root.command("show")
@click.pass_obj
@plain_options
def trust_root_show(app: App) -> int:
    """Print the trust root in force: its digest, where it comes from, and how old it is."""
    from guard.cli.trust_root import show

    return show(app)


@trust_root.command("update")
@click.option("--tuf-url", metavar="URL", help="TUF repository to ask: a mirror of the public one, or a private one.")
@click.option(
    "--tuf-root",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="Root metadata by which a private TUF repository is believed; needs --tuf-url and --output.",
)
@click.option(
    "-o", "--output", type=click.Path(path_type=Path), metavar="FILE", help="Write the trust root to FILE as well."
)
@click.option(
    "--timeout",
    type=click.IntRange(min=1, max=600),
    default=limits.TUF_DEADLINE_SECONDS,
    show_default=True,
    metavar="SECONDS",
    help="Time for all of it.",
)
@click.pass_obj
@plain_options
def trust_root_update(app: App, tuf_url: str | None, tuf_root: Path | None, output: Path | None, timeout: int) -> int:
    """Refresh the public trust root over TUF, or fetch a private one into a file."""
    from guard.cli.trust_root import update

    return update(app, url=tuf_url, bootstrap=tuf_root, output=output, seconds=timeout)


@guard.command()
@click.argument("paths", nargs=-1, type=click.Path(path_type=Path), metavar="[PATH]...")
@click.option(
    "--format",
    "formats",
    type=click.Choice(["text", "json", "sarif", "github", "junit"]),
    multiple=True,
    help="What to write as well; text stands on standard error in any case. May be repeated.",
)
@click.option(
    "-o",
    "--output",
    "outputs",
    type=click.Path(path_type=Path),
    multiple=True,
    metavar="FILE",
    help="File for a format, in their order; one format may go to standard output.",
)
@click.option("--all-platforms", is_flag=True, help="Decide the files for every platform, not only for those in use.")
@click.option("--changed-since", metavar="REV", help="Decide only what is new or different against a git revision.")
@click.option(
    "--resolve", is_flag=True, help="Resolve requirements files without hashes with pip, and decide what it would take."
)
@click.option("--installed", is_flag=True, help="Decide what npm recorded in node_modules; PATH is its folder.")
@click.option("--staged", is_flag=True, help="Decide what git commit would change: the index against HEAD.")
@click.option("--offline", is_flag=True, help="Ask no registry: what was asked a while ago and --evidence must do.")
@click.option(
    "--evidence", type=click.Path(path_type=Path), metavar="DIR", help="Folder of evidence, see guard evidence fetch."
)
@click.option(
    "--accept-identity-changes",
    is_flag=True,
    help="Accept a looser policy and other publishers in guard.lock; for whoever reviews the change.",
)
@common_options
@click.pass_obj
def audit(app: App, /, **values: Any) -> int:
    """Decide everything that lockfiles name; nothing is installed.

    PATH is a lockfile, or a folder that is searched for lockfiles by name; without one, the working directory is.
    """
    from guard.cli.audit import AuditRequest, run_audit

    return run_audit(app, AuditRequest(**values))


@guard.command()
@click.argument("paths", nargs=-1, type=click.Path(path_type=Path), metavar="[PATH]...")
@click.option("--check", is_flag=True, help="Write nothing; exit 10 when guard.lock is not as it should be.")
@click.option("--all-platforms", is_flag=True, help="Look at the files for every platform, not only for those in use.")
@click.option("--pylock", is_flag=True, help="Write the publishers into pylock.toml as well (PEP 751).")
@common_options
@click.pass_obj
def lock(app: App, paths: tuple[Path, ...], *, check: bool, all_platforms: bool, pylock: bool) -> int:
    """Record in guard.lock who publishes what lockfiles name, and print who changed.

    PATH is as for guard audit. guard.lock is written beside the lockfile, or where there is one already.
    """
    from guard.cli.lock import run_lock

    return run_lock(app, paths, check=check, all_platforms=all_platforms, pylock=pylock)


@guard.command()
@click.argument("spec", metavar="SPEC")
@click.option("--format", "style", type=click.Choice(["text", "json"]), default="text", show_default=True)
@common_options
@click.pass_obj
def explain(app: App, spec: str, *, style: str) -> int:
    """Say who built SPEC, from what, and what the policy says of it and why; nothing is installed or fetched.

    SPEC is pypi:NAME[==VERSION], npm:NAME[@VERSION], or a wheel, source distribution or npm tarball. Without a version
    it is the newest release that a resolver is offered here.
    """
    from guard.cli.explain import run_explain

    return run_explain(app, spec, as_json=style == "json")


@guard.group()
def evidence() -> None:
    """Save evidence for machines that cannot ask registries."""


@evidence.command("fetch")
@click.argument("paths", nargs=-1, type=click.Path(path_type=Path), metavar="[PATH]...")
@click.option(
    "-o", "--output", type=click.Path(path_type=Path), required=True, metavar="DIR", help="Folder to save it in."
)
@click.option("--all-platforms", is_flag=True, help="Save it for the files of every platform.")
@common_options
@click.pass_obj
def evidence_fetch(app: App, paths: tuple[Path, ...], output: Path, *, all_platforms: bool) -> int:
    """Save what registries say about everything that lockfiles name; guard audit --evidence reads it.

    PATH is as for guard audit.
    """
    from guard.cli.evidence import fetch

    return fetch(app, paths, output, all_platforms=all_platforms)


@guard.group()
def cache() -> None:
    """Look at what guard keeps between runs, and forget it."""


@cache.command("info")
@click.pass_obj
@plain_options
def cache_info(app: App) -> int:
    """Print what is kept, where, and how large it is."""
    from guard.cli.cache import print_info

    return print_info(app)


@cache.command("clear")
@click.pass_obj
@plain_options
def cache_clear(app: App) -> int:
    """Forget downloaded files and verified facts; trust roots, policies and locks stay."""
    from guard.cli.cache import clear

    return clear(app)


@guard.command()
@click.argument("subjects", nargs=-1, required=True, metavar="SUBJECT...")
@click.option(
    "--bundle",
    "bundles",
    type=click.Path(path_type=Path),
    multiple=True,
    metavar="FILE",
    help="Evidence: a Sigstore bundle, a PEP 740 object, an npm attestations document, an .intoto.jsonl; repeatable.",
)
@click.option("--name", metavar="NAME", help="What SUBJECT is: a file name, or pkg:npm/NAME@VERSION.")
@click.option("--npm-keys", type=click.Path(path_type=Path), metavar="FILE", help="Keys of the npm registry.")
@click.option("--key", type=click.Path(path_type=Path), metavar="PEM", help="Public key that must have signed.")
@click.option("--identity", metavar="SAN", help="Subject alternative name that the certificate must have.")
@click.option("--issuer", metavar="URL", help="Issuer that must vouch for it.")
@click.option("--source-repository", metavar="URL", help="Repository that must have been built.")
@click.option("--source-ref", metavar="REF", help="Reference of it, such as refs/heads/main.")
@click.option("--source-tag", metavar="TAG", help="Tag of it, such as v1.0.0.")
@click.option("--builder", metavar="URI", help="Workflow that must have signed, with or without @REF.")
@click.option("--unsafe-any-identity", is_flag=True, help="Accept whoever signed.")
@click.option(
    "--slsa-level", type=click.IntRange(0, 3), default=0, metavar="N", help="SLSA build level to ask for, 0 to 3."
)
@click.option(
    "--format",
    "output_format",
    type=click.Choice(["text", "json"]),
    default="text",
    show_default=True,
    help="What to print.",
)
@common_options
@click.pass_obj
def verify(app: App, /, **values: Any) -> int:
    """Verify who built or signed files.

    SUBJECT is a file, or sha256:HEX or sha512:HEX. Evidence about a wheel, sdist or npm tarball comes from its
    registry, unless --bundle brings some.
    """
    from guard.cli.expected import SignerOptions
    from guard.cli.verify import Request, run_verify

    signer = {field.name: values.pop(field.name) for field in fields(SignerOptions)}
    return run_verify(app, Request(**values, signer=SignerOptions(**signer)))


def run_command(argv: list[str]) -> int:
    """Parse a command line and carry it out.

    Args:
        argv: what follows ``guard``.

    Returns:
        The exit status.
    """
    word, rest = split_at_command(argv)
    command = () if word is None else (word, *rest)
    try:
        status = guard.main(args=argv, prog_name="guard", standalone_mode=False, obj=command)
    except click.exceptions.Exit as ending:
        return ending.exit_code
    except click.ClickException as error:
        error.show(sys.stderr)
        return ExitCode.USAGE
    except click.Abort:
        return 128 + 2
    return int(status) if isinstance(status, int) else ExitCode.ALLOWED
