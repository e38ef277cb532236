"""Commands of access: `user add|list|role|password|remove`, `token create|list|revoke`."""

import sys
from collections.abc import Sequence

import click

from engage.cli.session import opened, operator, say_json
from engage.domain.access import SCOPES_OF, Role, Scope
from engage.engine.access.passwords import generated
from engage.settings import load_settings

_ROLE = click.Choice([str(role) for role in Role])
_json = click.option("--json", "as_json", is_flag=True, help="Print JSON.")
_own_password = click.option(
    "--password",
    "own",
    is_flag=True,
    help="Ask for a password (or read it from standard input); else one is made.",
)


@click.group("user")
def user_command() -> None:
    """Who may use the console, and in which role."""


@user_command.command("add")
@click.argument("email")
@click.option("--role", type=_ROLE, required=True, help="What they may do.")
@_own_password
@_json
def user_add_command(email: str, role: str, own: bool, as_json: bool) -> None:
    """Let somebody into the console. The password is shown once and stored hashed.

    A viewer looks; an editor also changes audiences and consent, starts journeys and sends single messages; a publisher also
    publishes, pauses and stops; an admin also erases people and gives access to others.
    """
    password = _password(own)
    with opened(load_settings()) as runtime:
        user = runtime.admit.add_user(email, Role(role), password, operator(runtime))
    _tell_password(user.email, None if own else password, as_json, role=role)


@user_command.command("list")
@_json
def user_list_command(as_json: bool) -> None:
    """List everybody who may use the console."""
    with opened(load_settings()) as runtime:
        users = runtime.admit.users()
    if as_json:
        say_json([{"email": user.email, "role": user.role, "created_at": user.created_at} for user in users])
        return
    for user in users:
        click.echo(f"  {user.role:10} {user.email}   since {user.created_at:%Y-%m-%d}")
    click.echo(f"{len(users)} users")


@user_command.command("role")
@click.argument("email")
@click.argument("role", type=_ROLE)
@_json
def user_role_command(email: str, role: str, as_json: bool) -> None:
    """Change what somebody may do, at once."""
    with opened(load_settings()) as runtime:
        runtime.admit.set_role(email, Role(role), operator(runtime))
    say_json({"email": email, "role": role}) if as_json else click.echo(f"{email}: {role} from now on")


@user_command.command("password")
@click.argument("email")
@_own_password
@_json
def user_password_command(email: str, own: bool, as_json: bool) -> None:
    """Give somebody another password; their open sessions end."""
    password = _password(own)
    with opened(load_settings()) as runtime:
        runtime.admit.set_password(email, password, operator(runtime))
    _tell_password(email, None if own else password, as_json)


@user_command.command("remove")
@click.argument("email")
@_json
def user_remove_command(email: str, as_json: bool) -> None:
    """Let somebody in no more, at once."""
    with opened(load_settings()) as runtime:
        runtime.admit.remove_user(email, operator(runtime))
    say_json({"email": email, "removed": True}) if as_json else click.echo(f"{email}: removed")


def _password(own: bool) -> str:
    if not own:
        return generated()
    if sys.stdin.isatty():
        asked: str = click.prompt("password", hide_input=True, confirmation_prompt=True)
        return asked
    return sys.stdin.readline().rstrip("\r\n")


def _tell_password(email: str, password: str | None, as_json: bool, **more: str) -> None:
    if as_json:
        say_json({"email": email, **more, **({} if password is None else {"password": password})})
        return
    told = " ".join([email, *more.values()])
    click.echo(told if password is None else f"{told}\npassword (shown this once): {password}")


@click.group("token")
def token_command() -> None:
    """Tokens of the API: shown once, stored hashed."""


@token_command.command("create")
@click.option("--name", default="token", show_default=True, help="What it is for; stands in lists.")
@click.option(
    "--scope",
    "scopes",
    multiple=True,
    metavar="SCOPE",
    help=f"What it allows, repeatable or comma-separated: {', '.join(Scope)}.",
)
@click.option("--role", type=_ROLE, help="Everything that a role may do by API.")
@_json
def token_create_command(name: str, scopes: Sequence[str], role: str | None, as_json: bool) -> None:
    """Make a token and print it: it cannot be shown again."""
    wanted = {_scope(part) for text in scopes for part in text.split(",") if part.strip()}
    if role is not None:
        wanted |= SCOPES_OF[Role(role)]
    if not wanted:
        raise click.UsageError("say what it allows: `--scope profiles:read`, or `--role viewer`")
    with opened(load_settings()) as runtime:
        made = runtime.admit.create_token(name, wanted, operator(runtime))
    if as_json:
        say_json({"id": made.token.id, "name": name, "scopes": sorted(wanted), "token": made.text})
        return
    click.echo(f"{made.text}")
    click.echo(f"shown this once; `engage token revoke {made.token.id}` ends it", err=True)


def _scope(text: str) -> Scope:
    try:
        return Scope(text.strip())
    except ValueError:
        raise click.UsageError(f"`{text.strip()}` is no scope; there are {', '.join(Scope)}") from None


@token_command.command("list")
@_json
def token_list_command(as_json: bool) -> None:
    """List tokens, revoked ones too; never the tokens themselves. Those of ENGAGE_API_TOKENS are not among them."""
    with opened(load_settings()) as runtime:
        tokens = runtime.admit.tokens()
    if as_json:
        say_json(
            [
                {
                    "id": token.id,
                    "name": token.name,
                    "scopes": sorted(token.scopes),
                    "created_at": token.created_at,
                    "revoked_at": token.revoked_at,
                }
                for token in tokens
            ]
        )
        return
    for token in tokens:
        end = f"revoked {token.revoked_at:%Y-%m-%d}" if token.revoked_at is not None else "valid"
        scopes = " ".join(sorted(token.scopes))
        click.echo(f"  {token.id}  {token.name:16} {end:18} since {token.created_at:%Y-%m-%d}  {scopes}")
    click.echo(f"{len(tokens)} tokens")


@token_command.command("revoke")
@click.argument("token", metavar="ID")
@_json
def token_revoke_command(token: str, as_json: bool) -> None:
    """End a token at once: by its id, its name if no other has it, or the token itself."""
    with opened(load_settings()) as runtime:
        revoked = runtime.admit.revoke(token, operator(runtime))
    if as_json:
        say_json({"id": revoked.id, "name": revoked.name, "revoked": True})
        return
    click.echo(f"{revoked.id} ({revoked.name}): revoked")
