<?php
// Ends with a stack trace, the one that the argument names.
class Refused extends Exception {}

function ask(int $depth): int
{
    return $depth > 0 ? ask($depth - 1) : intdiv(1, 0);
}

function pay(): void
{
    try {
        ask(3);
    } catch (DivisionByZeroError $e) {
        throw new Refused("no price", 7, $e);
    }
}

function uncaught(): void
{
    ask(3);
}

function chained(): void
{
    pay();
}

function typed(): void
{
    ask("many");
}

function logged(): void
{
    try {
        pay();
    } catch (Refused $e) {
        error_log($e);
    }
}

$argv[1]();
