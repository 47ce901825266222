//! Rendering, with bounds: steps, output, and the size of every value.

use std::collections::BTreeMap;

use super::action::{Command, Operand, Pipeline};
use super::parse::Node;
use super::value::{MAX_TEXT, Value};
use super::{Environment, MAX_BYTES, RuleContext, functions};

/// How the error about a field of the root that nobody has begins.
pub(super) const NO_FIELD: &str = "there is no .";
/// Most steps that one rendering may take.
const MAX_STEPS: usize = 50_000;

/// Renders the template for one router.
pub(super) fn render(nodes: &[Node], cx: &RuleContext<'_>) -> Result<String, String> {
    let labels = cx.labels.iter().map(|(key, value)| (key.clone(), Value::foreign(value))).collect();
    let root = Value::Map(BTreeMap::from([
        ("Name".to_owned(), Value::foreign(cx.name)),
        ("ContainerName".to_owned(), Value::foreign(cx.container_name)),
        ("Labels".to_owned(), Value::Map(labels)),
    ]));
    let mut run = Run::new(&root, MAX_BYTES, None);
    run.block(nodes, &root)?;
    Ok(run.output)
}

/// Renders a template that nothing is filled into but what it asks the environment for; at most `most` bytes.
pub(super) fn render_alone(nodes: &[Node], most: usize, environment: Environment<'_>) -> Result<String, String> {
    let root = Value::Map(BTreeMap::new());
    let mut run = Run::new(&root, most, Some(environment));
    match run.block(nodes, &root) {
        Ok(_) => Ok(run.output),
        Err(what) if run.unset.is_empty() => Err(what),
        Err(what) => Err(format!("{what} (not set in the environment: {})", run.unset.join(", "))),
    }
}

/// How a block ended.
enum Flow {
    On,
    Break,
    Continue,
}

struct Run<'r> {
    root: &'r Value,
    output: String,
    /// Most bytes of output.
    most: usize,
    environment: Option<Environment<'r>>,
    /// Variables of the environment that were asked for and are not there.
    unset: Vec<String>,
    /// The innermost last.
    variables: Vec<(String, Value)>,
    steps: usize,
    /// Bytes that were handled, so that many steps over long texts are bounded as well.
    work: usize,
}

impl<'r> Run<'r> {
    fn new(root: &'r Value, most: usize, environment: Option<Environment<'r>>) -> Self {
        let (variables, unset) = (Vec::new(), Vec::new());
        Self { root, output: String::new(), most, environment, unset, variables, steps: 0, work: 0 }
    }

    fn block(&mut self, nodes: &[Node], dot: &Value) -> Result<Flow, String> {
        let scope = self.variables.len();
        let flow = self.nodes(nodes, dot);
        self.variables.truncate(scope);
        flow
    }

    fn nodes(&mut self, nodes: &[Node], dot: &Value) -> Result<Flow, String> {
        for node in nodes {
            self.step(1)?;
            match node {
                Node::Text(text) => self.put(text)?,
                Node::Print(pipeline) => {
                    let printed = self.pipeline(pipeline, dot)?.print()?;
                    if printed.risky {
                        let shown = crate::gather::show(&printed.text);
                        return Err(format!("the value `{shown}` could change the rule, so it is not put into it"));
                    }
                    self.put(&printed.text)?;
                }
                Node::Set { name, declare, value } => {
                    let value = self.pipeline(value, dot)?;
                    if *declare {
                        self.variables.push((name.clone(), value));
                    } else {
                        let place = self.variables.iter_mut().rev().find(|(n, _)| n == name);
                        place.ok_or_else(|| format!("there is no variable ${name}"))?.1 = value;
                    }
                }
                Node::If { arms, otherwise } => match self.condition(arms, otherwise, dot)? {
                    Flow::On => {}
                    other => return Ok(other),
                },
                Node::Range { key, value, over, body, otherwise } => {
                    let over = self.pipeline(over, dot)?;
                    match self.range((key.as_deref(), value.as_deref()), over, (body, otherwise), dot)? {
                        Flow::On => {}
                        other => return Ok(other),
                    }
                }
                Node::Break => return Ok(Flow::Break),
                Node::Continue => return Ok(Flow::Continue),
            }
        }
        Ok(Flow::On)
    }

    fn condition(&mut self, arms: &[super::parse::Arm], otherwise: &[Node], dot: &Value) -> Result<Flow, String> {
        let scope = self.variables.len();
        let mut chosen = None;
        for arm in arms {
            let value = self.pipeline(&arm.condition, dot)?;
            let holds = value.is_true();
            if let Some(name) = &arm.variable {
                self.variables.push((name.clone(), value.clone()));
            }
            if holds {
                chosen = Some((arm, value));
                break;
            }
        }
        let flow = match &chosen {
            Some((arm, value)) if arm.with => self.block(&arm.body, value),
            Some((arm, _)) => self.block(&arm.body, dot),
            None => self.block(otherwise, dot),
        };
        self.variables.truncate(scope);
        flow
    }

    fn range(
        &mut self,
        (key, value): (Option<&str>, Option<&str>),
        over: Value,
        (body, otherwise): (&[Node], &[Node]),
        dot: &Value,
    ) -> Result<Flow, String> {
        let items: Vec<(Value, Value)> = match over {
            Value::List(items) => (0i64..).map(Value::Int).zip(items).collect(),
            Value::Map(items) => items.into_iter().map(|(key, value)| (Value::foreign(&key), value)).collect(),
            Value::Nil => Vec::new(),
            other => return Err(format!("range cannot go over {}", other.kind())),
        };
        if items.is_empty() {
            return self.block(otherwise, dot);
        }
        for (index, item) in items {
            self.step(1)?;
            let scope = self.variables.len();
            if let Some(name) = key {
                self.variables.push((name.to_owned(), index));
            }
            if let Some(name) = value {
                self.variables.push((name.to_owned(), item.clone()));
            }
            let flow = self.block(body, &item);
            self.variables.truncate(scope);
            if matches!(flow?, Flow::Break) {
                break;
            }
        }
        Ok(Flow::On)
    }

    fn pipeline(&mut self, pipeline: &Pipeline, dot: &Value) -> Result<Value, String> {
        let mut piped: Option<Value> = None;
        for command in &pipeline.0 {
            let result = match command {
                Command::Operand(operand) => self.operand(operand, dot)?,
                Command::Call(name, operands) => {
                    let mut arguments = Vec::with_capacity(operands.len() + 1);
                    for operand in operands {
                        arguments.push(self.operand(operand, dot)?);
                        // As in Go, `and` and `or` stop as soon as they know.
                        let decided = arguments.last().map(Value::is_true);
                        if (*name == "and" && decided == Some(false)) || (*name == "or" && decided == Some(true)) {
                            break;
                        }
                    }
                    arguments.extend(piped.take());
                    self.call(name, arguments)?
                }
            };
            piped = Some(result);
        }
        piped.ok_or_else(|| "an expression is empty".to_owned())
    }

    fn operand(&mut self, operand: &Operand, dot: &Value) -> Result<Value, String> {
        let value = match operand {
            Operand::Literal(value) => value.clone(),
            Operand::Field(names) => self.fields(dot, names)?,
            Operand::Variable(name, names) if name.is_empty() => self.fields(self.root, names)?,
            Operand::Variable(name, names) => {
                let found = self.variables.iter().rev().find(|(n, _)| n == name);
                let (_, value) = found.ok_or_else(|| format!("there is no variable ${name}"))?;
                fields(value, names)?
            }
            Operand::Group(pipeline, names) => {
                let value = self.pipeline(pipeline, dot)?;
                fields(&value, names)?
            }
            Operand::Call(name) => self.call(name, Vec::new())?,
        };
        self.step(value.size())?;
        Ok(value)
    }

    /// The root's fields are known; one that is not there is a mistake, and no missing label.
    fn fields(&self, value: &Value, names: &[String]) -> Result<Value, String> {
        if std::ptr::eq(value, self.root)
            && let (Value::Map(known), Some(first)) = (value, names.first())
            && !known.contains_key(first)
        {
            return Err(match self.environment {
                Some(_) => format!("{NO_FIELD}{first}; a file has no fields, and env \"NAME\" asks the environment"),
                None => format!("{NO_FIELD}{first}; there are .Name, .ContainerName and .Labels"),
            });
        }
        fields(value, names)
    }

    fn call(&mut self, name: &str, arguments: Vec<Value>) -> Result<Value, String> {
        let result = match name {
            "env" if self.environment.is_some() => self.ask_environment(&arguments),
            _ => functions::call(name, arguments),
        };
        let result = result.map_err(|why| format!("{name}: {why}"))?;
        self.step(result.size())?;
        Ok(result)
    }

    /// What is not set is nothing, which may get a `default` and cannot be printed: an empty text in its place could take
    /// a router's middlewares away.
    fn ask_environment(&mut self, arguments: &[Value]) -> Result<Value, String> {
        let (Some(environment), [Value::Text(name)]) = (self.environment, arguments) else {
            return Err("one name is expected".to_owned());
        };
        match environment(&name.text) {
            Some(value) => Ok(Value::own(value)),
            None => {
                self.unset.push(crate::gather::show(&name.text));
                Ok(Value::Nil)
            }
        }
    }

    fn put(&mut self, text: &str) -> Result<(), String> {
        if self.output.len() + text.len() > self.most {
            return Err(format!("the result has more than {} bytes", self.most));
        }
        self.output.push_str(text);
        Ok(())
    }

    fn step(&mut self, bytes: usize) -> Result<(), String> {
        self.steps += 1;
        self.work = self.work.saturating_add(bytes);
        if self.steps > MAX_STEPS || self.work > 256 * MAX_TEXT {
            return Err("the template takes too many steps".to_owned());
        }
        Ok(())
    }
}

/// Follows `.a.b`. What is not there is nil, which cannot be printed but may get a `default`.
fn fields(value: &Value, names: &[String]) -> Result<Value, String> {
    let mut value = value;
    for name in names {
        match value {
            Value::Map(items) => match items.get(name) {
                Some(next) => value = next,
                None => return Ok(Value::Nil),
            },
            Value::Nil => return Ok(Value::Nil),
            other => return Err(format!("{} has no field {name}", other.kind())),
        }
    }
    Ok(value.clone())
}
