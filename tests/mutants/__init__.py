"""Small defects put into the code on purpose, to see whether a test notices: `make mutants`.

Where to look:
    python_mutants   the defects that are put into Python, by its syntax tree
    lua_mutants      the same for the scripts, line by line
    areas            which files are tried, and which tests should notice
    trial            one defect in a copy of the checkout, and the tests run over it
    run              the sample, both cores, the report

No maintained tool does what is needed here: mutmut and cosmic-ray know no Lua, and neither drops
an argument of `replace(state, …)` or swaps neighbours in an ordered chain of rules.
"""
