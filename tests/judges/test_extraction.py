"""The exact judge on literal transcripts, and on recorded answers that were read by hand."""

import json
from fractions import Fraction
from pathlib import Path

import pytest
from support.benchmarks import BENCHMARKS, judged
from support.project import ROOT

from lek.data.cases import make_cases
from lek.data.lem import responses_file
from lek.data.recorded import read_responses
from lek.data.tables import read_table, with_ids
from lek.judges.exact.extraction import read_answer
from lek.judges.exact.judge import exact
from lek.records import Case, Response

EGGS = (
    "Janet has 16 eggs a day. She eats 3 and bakes with 4. "
    "How many dollars does she make if she sells the rest at $2 each?"
)
TRANSCRIPTS = [
    # marked
    ("#### 18", "18"),
    ("#### $18", "18"),
    ("#### 18.00", "18"),
    ("#### 1,800", "1800"),
    ("#### **18**", "18"),
    ("#### 18 dollars", "18"),
    ("#### -5", "-5"),
    ("#### -$5", "-5"),
    ("#### $-5$", "-5"),
    ("#### 3/4", "3/4"),
    ("#### 25%", "25"),
    ("#### 5 + 3 = 8", "8"),
    ("#### 9 eggs × $2 = $18", "18"),
    ("#### 18 (9 eggs at $2)", "18"),
    ("#### 10 20", "10"),
    ("#### 12\n\nWait, that is wrong.\n\n#### 14", "14"),
    ("She makes 18 dollars a day, or 126 dollars a week. #### 18", "18"),
    ("\\boxed{18}", "18"),
    ("$\\boxed{\\$18}$", "18"),
    ("\\boxed{18\\text{ dollars}}", "18"),
    ("\\boxed{1{,}800}", "1800"),
    ("$$\\boxed{\\frac{3}{4}}$$", "3/4"),
    ("The final answer is:\n$$\\boxed{8000}$$", "8000"),
    ("Final Answer: The final answer is $\\boxed{18}$", "18"),
    ("The answer is **18**.", "18"),
    ("Answer: 18", "18"),
    ("The answer is .5", "1/2"),
    ("The answer is 0.50.", "1/2"),
    ("The answer is 1 1/2 cups.", "3/2"),
    ("The answer is 12.5%.", "25/2"),
    ("The answer is not 5. The answer is 18.", "18"),
    ("**Final Answer:**\n\nThe delivery will cost her $29.00 for 2 boxes.", "29"),
    ("Final Answer: 5 pm is when she leaves with 18 dollars.", "18"),
    # stated, with or without an empty mark
    ("The total is 18.\n\n####.", "18"),
    ("So she makes $18.\n####", "18"),
    ("Final Answer: She has 7.\n\nFinal Answer: The final answer is ####.", "7"),
    ("**18**", "18"),
    ("18 eggs", "18"),
    ("She makes $18 every day.", "18"),
    ("She makes $18. I hope this helps!", "18"),
    ("That makes \\$18.", "18"),
    ("She will be paid €18.", "18"),
    ("She makes <<9*2=18>>18 dollars.", "18"),
    ("\\[ 9 \\times 2 = 18 \\]", "18"),
    ("It costs 1,234,567 dollars.", "1234567"),
    ("It costs 1\\,800 dollars.", "1800"),
    ("The temperature is -5 degrees.", "-5"),
    ("The balance is \u22125 dollars.", "-5"),
    ("She has 20-5 = 15 left.", "15"),
    ("- 16 eggs\n- 3 eaten\n- 9 left\n\nShe makes 9 * 2 = $18.", "18"),
    ("The distance after 4 hours is 120 miles.", "120"),
    ("So Lena reads 80 pages over the 3 days.", "80"),
    ("She finishes 3rd and earns 18 dollars.", "18"),
    ("Let x be the dollars. 2x = 36. x = 18", "18"),
    ("18\n\nQuestion: Tom has 5 apples and 2 pears. How many?\nAnswer: 7", "18"),
    ("18\n\nHow many pears has Tom?\n\nAnswer: 7", "18"),
    ("She makes $18 every day. Enjoy the 16 eggs!", "18"),
    ("She ends up making $18. (Check: 3 + 4 + 9 = 16 eggs.)", "18"),
    ("**18 dollars** (2 dollars for each of 9 eggs)", "18"),
    ("She makes $18, not $195.", "18"),
    ("Together they make 18 dollars: 5 + 6 + 7.", "18"),
    ("2 bolts of blue + 1 bolt of white = 3 bolts in total", "3"),
    # no number
    ("It is not 18.", None),
    ("#### 18 or 20", None),
    ("", None),
    ("I do not know.", None),
    ("The answer is unknown.", None),
    ("####", None),
    ("x = 9 and 2x = 18y", None),
    (EGGS, None),
    ("She has 16 eggs a day.", None),
    ("She sells 9 eggs at $2 each, so she makes 9 * 2 =", None),
]
CUT = [
    ("She makes $1", None),
    ("She makes 9 * 2 = $18 a day. In a week that is 7 * 18 = 1", "18"),
    ("She makes $18 a day.\n\n#### 1", "18"),
    ("The answer is 18. To check this, 18 / 2", "18"),
    ("She makes $18. Let me check. She has 16 - 3 - 4 = 9 eggs and", "18"),
    ("She makes $19. No, she makes $18. So she makes $18. Eggs are 16, and so", "18"),
]


# Answers in many styles with the number that each gives: kind -> [(question, answer, number)].
TILES = "A roof has 14 rows of 35 tiles. How many tiles are on 3 such roofs?"
WAGE = (
    "Nadia earns $15 an hour and works 6 hours a day. "
    "How many dollars does she earn in 4 days if she pays $40 for the bus?"
)
JUICE = "Ivo fills 9 jugs of 250 ml and drinks 450 ml. How many millilitres of juice are left?"
CLUB = "Of 40 club members 26 play chess and 6 of those also play go. What percentage plays go?"
SWIM = (
    "Lia swims 20 laps on Monday and half as many on Tuesday. How many laps does she swim in all?"
)
RUN = "A race of 3 hours begins at 2:00 pm. At what time does it end?"
SAVE = "Tim has $5 and saves $3 a day. On which day does he have $26?"
SHARE = (
    "Four friends share 36 nuts equally, and Ann gives 3 of hers away. How many nuts has Ann left?"
)
PENS = "There are 30 pens and pencils in a box, twice as many pens as pencils. How many are pens?"

PAGES = (
    "A printer prints 24 pages a minute and runs 15 minutes a day. How many pages does it "
    "print in 5 days?"
)
CHANGE = (
    "Kim buys 3 shirts at $12 each and a hat at $9. She pays with a $50 note. How much "
    "change does she get?"
)
AGE = "Tom is 8 years old. His father is 4 times as old plus 2 years. How old is his father?"
DISCOUNT = "A coat of $80 is sold at $60. By what percentage was it reduced?"
TRAIN = "A train leaves at 9:15 am and travels 2 hours and 45 minutes. At what time does it arrive?"
POOLS = (
    "A pool holds 1200 litres and is filled at 40 litres a minute. How many hours does it "
    "take to fill 3 pools?"
)
BOOK = (
    "Zoe reads 12 pages a day from Monday on. Her book has 84 pages. On which day of the "
    "reading does she finish it?"
)
CART = (
    "A sack weighs 25 kg. A cart with 6 sacks weighs 190 kg. How many kg does the empty cart weigh?"
)
BALLS = "There are 45 red and blue balls, 5 more red than blue. How many blue balls are there?"
SWEETS = (
    "Amy has 24 sweets. She eats 1/4 and shares the rest among 6 friends. How many sweets "
    "does each friend get?"
)
EGGS_SHARE = "9 of 12 eggs are brown. What percent of the eggs are brown?"

ROLLS = (
    "A baker has 90 rolls. He sells 2/3 of them at $0.50 each and the rest at half price. "
    "How much money does he make?"
)
RUNNER = (
    "A runner runs 5 km in 25 minutes. At the same pace, how many minutes does he need for 8 km?"
)
CLASS = "In a class of 30, 40% are boys. How many girls are in the class?"
COINS = (
    "Ben has twice as many coins as Al. Together they have 36 coins. How many coins does Al have?"
)
BIRTH = "Sue was born in 1988. How old was she in 2010?"
WALKS = (
    "Rita walks 3 miles a day on weekdays and 5 miles on each day of the weekend. How many "
    "miles does she walk in 4 weeks?"
)
PHONE = "A phone costs $400. It is reduced by 15% and then taxed at 10%. What is the final price?"
WEATHER = "The temperatures were 12, 15 and 21 degrees. What was the average temperature?"
DITCH = "It takes 6 workers 4 hours to dig a ditch. How long would it take 8 workers?"
FROST = "At noon it was 4 degrees. It fell by 9 degrees. What was the temperature then?"
BUSES = "A school takes 310 pupils on a trip. A bus has 42 seats. How many buses are needed?"
BUNS = (
    "Nina bakes 4 trays of 18 buns. She eats 2 and packs the rest in boxes of 10. How many "
    "boxes does she fill?"
)
LOAN = "Max borrows $1,200 at 5% simple interest a year. How much does he owe after 3 years?"
AGES = (
    "Rosa is 6 years older than Finn. In 4 years their ages will add up to 44. How old is Rosa now?"
)
SPEED = (
    "A car drives 180 miles in 3 hours and then 100 miles in 2 hours. What is its average "
    "speed in miles per hour?"
)
COOK = "A cook has 96 eggs. She uses 3 eggs for each of 25 cakes. How many eggs are left?"
WAGES = "Lee earns $11 an hour for 8 hours and spends $19. How much money does he have left?"
LONG = "We take one step after the other and say what it is for, so that nothing is lost. " * 7

READINGS = {
    "no final stop": [
        (TILES, "One roof: 14 x 35 = 490 tiles\nThree roofs: 490 x 3 = 1470 tiles", "1470"),
        (
            TILES,
            "To begin with, it is worth saying what is known and what is not. There is a number of "
            "rows on each roof, and each of the rows has the same number of tiles. We are not told "
            "that any of the tiles are broken, so all of them count. We multiply to find the tiles "
            "of a single roof, and then we multiply once more to find the tiles of all the roofs. "
            "The first product is the number of tiles on a roof, which we need for the second one, "
            "and the second product is what is asked for in the end.\n"
            "14 x 35 = 490\nThe three roofs have 490 x 3 = 1470 tiles",
            "1470",
        ),
        (
            WAGE,
            "We need to know what she earns in a day before we can say what she earns in all. "
            "A day has some hours of work, and every hour earns the same. From what she earns in "
            "four days we take what the bus costs, since that is money that she does not keep. "
            "None of this needs more than a multiplication and a subtraction, so let us write the "
            "steps down one by one and not lose our way, as can easily happen with such problems. "
            "It is best to keep the units in view, since they show whether a step makes sense.\n"
            "In a day she earns $15 x 6 = $90.\nIn four days she earns $90 x 4 = $360.\n"
            "What she has after the bus is $360 - $40 = $320",
            "320",
        ),
        (
            PAGES,
            LONG + "\nPages a day: 24 x 15 = 360\nPages in 5 days: 360 x 5 = 1800",
            "1800",
        ),
        (
            PAGES,
            LONG + "\n\nSo in five days the printer prints 360 x 5 = 1800 pages",
            "1800",
        ),
        (
            CHANGE,
            LONG + "\nShe pays 36 + 9 = 45 dollars for all.\nHer change is $50 - $45 = $5",
            "5",
        ),
        (
            CHANGE,
            LONG + "\nTotal: $45\nChange: $5",
            "5",
        ),
        (
            CHANGE,
            LONG + "\n\n**Change: $5**",
            "5",
        ),
        (
            CHANGE,
            LONG + "\n\nKim gets $5 in change",
            "5",
        ),
        (
            CHANGE,
            LONG + "\n\nKim's change is $5",
            "5",
        ),
        (
            CHANGE,
            LONG + "\n\n3 x 12 = 36\n36 + 9 = 45\n50 - 45 = 5",
            "5",
        ),
    ],
    "a sentence after Answer:": [
        (WAGE, "15 * 6 * 4 = 360\n\nAnswer: Nadia earns $320 in 4 days after the bus.", "320"),
        (SWIM, "**Answer:** Lia swims 30 laps in all, 20 on Monday and 10 on Tuesday.", "30"),
        (TILES, "Answer: There are 1,470 tiles on the 3 roofs.", "1470"),
        (TILES, "Answer:\n\nThe 3 roofs have 1470 tiles.", "1470"),
        (SHARE, "Final answer: Ann has 6 nuts left after giving 3 away.", "6"),
        (SHARE, "ANSWER: After giving away 3, Ann keeps 6 nuts.", "6"),
        (JUICE, "Answer = 1800 ml", "1800"),
        (JUICE, "The final answer is therefore 1800 millilitres, from 9 jugs.", "1800"),
        (WAGE, "So, the answer to the question is that she earns 320 dollars in 4 days.", "320"),
        (CHANGE, "Answer: Kim gets $5 back from her $50 note.", "5"),
        (CHANGE, "Answer: After paying $45 for 3 shirts and a hat, Kim gets $5 change.", "5"),
        (SWEETS, "18/6 = 3\n\nAnswer: Each of the 6 friends gets 3 sweets.", "3"),
        (SWEETS, "**Answer**\n\nEach friend gets 3 of the 24 sweets.", "3"),
        (PAGES, "Answer: In 5 days, the printer prints 1800 pages.", "1800"),
        (PAGES, "Answer: 1800 pages in 5 days", "1800"),
        (
            PAGES,
            "Answer: The printer, which runs 15 minutes a day, prints 1800 pages in 5 days.",
            "1800",
        ),
        (POOLS, "Answer: It takes 1.5 hours to fill 3 pools at 40 litres a minute.", "3/2"),
        (RUNNER, "Answer: To run 8 km at the same pace, he needs 40 minutes.", "40"),
        (BIRTH, "Answer: Sue was 22 years old in 2010, since she was born in 1988.", "22"),
        (DITCH, "Answer: 8 workers need 3 hours.", "3"),
        (RUNNER, "Answer: 40 minutes. He runs 1 km in 5 minutes, so 8 km takes 40 minutes.", "40"),
    ],
    "A: and a number": [
        (SWIM, "20 / 2 = 10 and 20 + 10 = 30\nA: 30", "30"),
        (SWIM, "Half of 20 is 10.\n**A:** 30 laps", "30"),
        (SWIM, "Q: Monday and Tuesday?\nA: 20 + 10 = 30", "30"),
        (PENS, "A: Let p be the pencils. Then 3p = 30 and p = 10. So there are 20 pens.", "20"),
        (SWIM, "Ans: 30", "30"),
        (SWIM, "Ans. 30", "30"),
        (AGE, "4 * 8 = 32 and 32 + 2 = 34.\nA: 34", "34"),
        (AGE, "Four times 8 is 32.\nA: 34 years", "34"),
        (AGE, "A: The father is 34 years old.", "34"),
        (AGE, "A: 4 x 8 = 32, 32 + 2 = 34", "34"),
        (AGE, "32 + 2\n\nA : 34", "34"),
        (AGE, "(A): 34", "34"),
    ],
    "a conclusion in numbers of the question": [
        (SHARE, "Each friend gets 9 nuts. Ann gives 3 away. So Ann has 6 nuts left.", "6"),
        (
            "Ole had 18 eggs, sold 6 and boiled half of the rest. How many eggs did he boil?",
            "He has 12 eggs after the sale.\nThat means Ole boiled 6 eggs.",
            "6",
        ),
        (
            "Ida is 12. Her aunt is 3 times as old as Ida. In how many years is Ida 36 years old?",
            "Her aunt is 36. Ida is 12 now, and 36 - 12 = 24.\nTherefore, Ida is 36 in 24 years.",
            "24",
        ),
        (
            "5 cats eat 10 fish in 2 days. How many fish does each cat eat in a day?",
            "In a day the cats eat 10 / 2 = 5 fish.\nThus each cat eats 1 fish a day.",
            "1",
        ),
        (SWEETS, "Amy eats 6 sweets.\nThat leaves 18 sweets.\nSo each friend gets 3 sweets.", "3"),
        (
            (
                "Leo has 20 marbles, loses 8 and shares the rest with his 3 brothers, so "
                "that all 4 have the same. How many marbles does each brother get?"
            ),
            "Leo has 12 marbles left.\nThis means each brother gets 3 marbles.",
            "3",
        ),
        (
            (
                "Leo has 20 marbles and gives 5 away to each of his 3 friends. How many "
                "marbles does Leo have left?"
            ),
            "He gives away 15 marbles.\nLeo has 5 marbles left.",
            "5",
        ),
        (
            "Bea had 10 pens and bought 5 boxes of 2. She lost half. How many pens does Bea have?",
            "She had 20 pens.\nNow Bea has 10 pens.",
            "10",
        ),
    ],
    "headings": [
        (TILES, "## Step 1: 14 rows\n14 x 35 = 490\n## Step 2: 3 roofs\n490 x 3 = 1470", "1470"),
        (TILES, "#### Tiles on 1 roof\n490\n\n#### Tiles on 3 roofs\n1470", "1470"),
        (TILES, "### 1. One roof\n14 x 35 = 490\n### 2. All roofs\n490 x 3 = 1470 tiles", "1470"),
        (TILES, "### 3 roofs\nOne has 490 tiles, so three have **1470 tiles**.", "1470"),
        (TILES, "### Solution\n490 * 3 = 1470\n### Final Answer\n1470", "1470"),
        (TILES, "# Answer\n\nThe roofs have $1470$ tiles.", "1470"),
        (TILES, "### Answer: **1470**", "1470"),
        (TILES, "#### Final result\n1470 tiles", "1470"),
        (
            TILES,
            "**Step 1: 14 rows**\n14 x 35 = 490\n\n**Step 2: 3 roofs**\n490 x 3 = 1470",
            "1470",
        ),
        (TILES, "The roofs have 1470 tiles.\n\n### Step 3", "1470"),
        (TILES, "### 1\n490 tiles a roof\n### 2\n490 x 3 = 1470 tiles", "1470"),
        (TILES, "#### 1470\n\nEach roof has 490 tiles.", "1470"),
        (TILES, "#### 1470 tiles\n\nOne roof has 490 tiles.", "1470"),
        (
            PAGES,
            (
                "### Step 1: Pages per day\n24 × 15 = 360\n\n### Step 2: Pages in 5 days\n"
                "360 × 5 = 1800\n\n### Answer\n\nThe printer prints **1800** pages."
            ),
            "1800",
        ),
        (
            PAGES,
            "### Part 1\nIt prints 360 pages a day.\n### Part 2\nIt prints 1800 pages in 5 days.",
            "1800",
        ),
        (PAGES, "#### Step 1\n24*15 = 360\n#### Step 2\n360*5 = 1800", "1800"),
        (PAGES, "###Step 1###\n360\n###Step 2###\n1800", "1800"),
        (PAGES, "### 1) Daily pages: 360\n### 2) Pages in 5 days: 1800", "1800"),
        (PAGES, "##### In 5 days\n1800 pages", "1800"),
        (PAGES, "### Total for 5 days: 1800 pages", "1800"),
    ],
    "list labels": [
        (SWIM, "1. Monday: 20 laps\n2. Tuesday: 10 laps\n3. Lia swims 30 laps.", "30"),
        (SWIM, "1) Halve 20.\n2) Add: 20 + 10 = 30\n3) Done.", "30"),
        (SWIM, "a) Monday 20\nb) Tuesday 10\nc) In all 30", "30"),
        (SWIM, "Step 1: 20 / 2 = 10\nStep 2: 20 + 10 = 30\nStep 3: State it.", "30"),
        (SWIM, "(1) 20 / 2 = 10\n(2) 20 + 10 = 30", "30"),
        (SWIM, "- **Monday**: 20\n- **Tuesday**: 10\n- **Total**: 30", "30"),
        (SWIM, "Using step 1 and step 2, she swims 30 laps.", "30"),
        (
            SWIM,
            "| Day | Laps |\n|---|---|\n| Monday | 20 |\n| Tuesday | 10 |\n| Total | 30 |",
            "30",
        ),
        (CART, "1. 6 x 25 = 150 kg\n2. 190 - 150 = 40 kg\n3. The empty cart weighs 40 kg.", "40"),
        (CART, "Steps:\n1. Multiply.\n2. Subtract.\n\nThe cart weighs 40 kg.\n\n3. Done!", "40"),
        (CART, "**1.** 150 kg\n**2.** 40 kg", "40"),
        (
            CART,
            "1. Weight of sacks: 150 kg.\n2. Cart: 190 - 150 = 40 kg.\n\n3. So the answer: 40 kg.",
            "40",
        ),
        (CART, "i. 6 x 25 = 150\nii. 190 - 150 = 40", "40"),
    ],
    "clock times": [
        (RUN, "2 pm + 3 hours is 5 pm.\nAnswer: 5:00 pm", "5"),
        (RUN, "The race ends at 5 p.m.", "5"),
        (RUN, "It takes 3 hours. **It ends at 5 o'clock.**", "5"),
        (RUN, "It ends at 5:30 PM.", "11/2"),
        (JUICE, "At 10:30 am he has 2250 ml and at 11:00 am he has 1800 ml.", "1800"),
        (TRAIN, "9:15 am plus 2 hours 45 minutes is 12:00 pm.", "12"),
        (TRAIN, "Answer: 12:00 noon", "12"),
        (TRAIN, "It arrives at 12 o'clock.", "12"),
    ],
    "ordinals": [
        (SAVE, "(26 - 5) / 3 = 7\nHe has it on the 7th day.", "7"),
        (SAVE, "He has $26 on day 7.", "7"),
        (SWIM, "On the 2nd day she swims 10 laps, which makes 30 in all.", "30"),
        (BOOK, "84 / 12 = 7. She finishes it on the 7th day.", "7"),
        (BOOK, "84 / 12 = 7, so she finishes on the seventh day.", "7"),
        (BOOK, "Answer: day 7", "7"),
        (BOOK, "Answer: the 7th day", "7"),
    ],
    "units on the number": [
        (JUICE, "9 x 250ml = 2250ml and 2250ml - 450ml = 1800ml.", "1800"),
        (JUICE, "Answer: 1800ml", "1800"),
        (
            "A loaf weighs 750g. How many grams do 4 loaves weigh?",
            "The loaves weigh 4 x 750g = 3000g.",
            "3000",
        ),
        (
            "A plank is 6m long and is cut into 4 parts. How long is each part in metres?",
            "Each part is 1.5m long.",
            "3/2",
        ),
        ("A car goes 80 km in an hour. How far does it go in 3?", "It goes 240km.", "240"),
        (CART, "The cart weighs 190kg - 150kg = 40kg.", "40"),
        (CART, "Answer: 40kg", "40"),
        ("A bottle holds 0.5l. How many litres do 7 bottles hold?", "They hold 3.5l.", "7/2"),
    ],
    "number words": [
        (SWIM, "On Tuesday she swims ten laps. In all Lia swims thirty laps.", "30"),
        (SWIM, "The answer is thirty.", "30"),
        (SWIM, "**Thirty laps**", "30"),
        (SHARE, "Answer: six nuts", "6"),
        (TILES, "The answer is one thousand.", "1000"),
        (SWIM, "She swims thirty-five laps.", "35"),
        ("Eli lays 5 rows of 12 eggs. How many eggs are that?", "That is five dozen eggs.", "60"),
        ("Eli lays 5 rows of 12 eggs. How many eggs are that?", "He lays sixty eggs.", "60"),
        ("Eli has 60 eggs. How many dozen eggs has he?", "He has 5 dozen eggs.", "5"),
        ("Eli has 60 eggs. How many dozens has he?", "He has five dozen.", "5"),
        ("Half of 12 eggs are white. How many eggs are white?", "Half a dozen eggs are.", "6"),
        ("How many seats do 10 rows of 10 have?", "There are a hundred seats.", "100"),
        ("How many seats do 9 rows of 14 have?", "It has one hundred and twenty-six seats.", "126"),
        (BALLS, "So there are twenty blue balls.", "20"),
        (BALLS, "There are twenty-five red balls and twenty blue balls.", "20"),
        (PAGES, "Therefore it prints eighteen hundred pages.", "1800"),
        (SWEETS, "Each friend gets three sweets.", "3"),
        (SWEETS, "So each of the six friends gets three sweets.", "3"),
        (AGE, "His father is thirty-four years old.", "34"),
        (AGE, "His father is thirty-four.", "34"),
    ],
    "the asked unit": [
        (CLUB, "6/40 = 0.15, or 15%.", "15"),
        (CLUB, "The share is 0.15 (15%).", "15"),
        (CLUB, "6/40 = 0.15 = 15% of the members play go.", "15"),
        (CLUB, "15% of the members, i.e. 6 of 40, play go.", "15"),
        (
            "A film lasts 1.5 hours and an interval 10 minutes. How many minutes is that?",
            "The film is 1.5 hours, or 90 minutes, so that is 100 minutes.",
            "100",
        ),
        (
            "A film lasts 1.5 hours. How many minutes is that?",
            "It lasts 1.5 hours, i.e. 90 minutes.",
            "90",
        ),
        (
            "A tap loses 2 litres an hour. How many litres does it lose in 2 days?",
            "It loses 96 litres in 2 days. That is 0.096 cubic metres.",
            "96",
        ),
        (
            "A parcel of 1200 grams and one of 800 grams: how many kilograms do both weigh?",
            "They weigh 2000 grams, or 2 kg.",
            "2",
        ),
        (
            "A ribbon of 3 m is cut in 4. How many centimetres long is each part?",
            "Each part is 0.75 m long, that is, 75 cm.",
            "75",
        ),
        (EGGS_SHARE, "9/12 = 3/4 or 75% of the eggs are brown.", "75"),
        (EGGS_SHARE, "9 / 12 = 0.75, which is 75%.", "75"),
        (EGGS_SHARE, "9 / 12 = 0.75, i.e., 75 percent.", "75"),
        (EGGS_SHARE, "So three quarters, or 75%, of the eggs are brown.", "75"),
        (DISCOUNT, "The reduction is $20, or 25%.", "25"),
        (POOLS, "3 x 1200 / 40 = 90 minutes, or 1.5 hours.", "3/2"),
        (POOLS, "It takes 90 minutes, i.e. 1.5 hours.", "3/2"),
        (POOLS, "It takes 90 minutes = 1.5 hours.", "3/2"),
        (POOLS, "It takes 1.5 hours (90 minutes).", "3/2"),
        (POOLS, "It takes 1.5 hours, or 90 minutes.", "3/2"),
        (POOLS, "Answer: 1.5 hours or 90 minutes", "3/2"),
        (POOLS, "Answer: 90 minutes (1.5 hours)", "3/2"),
        (POOLS, "The answer is 90 minutes, which is 1.5 hours.", "3/2"),
    ],
    "an equation over two lines": [
        (WAGE, "4 x 90 =\n360\n\n$360 - $40 =\n\n$320", "320"),
        (TILES, "14 x 35 x 3\n= 490 x 3\n= 1470", "1470"),
        (TILES, "$$\n14 \\times 35 \\times 3\n= 1470\n$$", "1470"),
        (TILES, "\\begin{align}\n490 \\times 3 &= 1470\n\\end{align}", "1470"),
        (CHANGE, "3 x $12 =\n$36\n$36 + $9 =\n$45\n$50 - $45 =\n$5", "5"),
        (CHANGE, "Change =\n$50 - $45 =\n\n**$5**", "5"),
        (CHANGE, "The change is:\n\n$5", "5"),
        (CHANGE, "The change is\n$$50 - 45 =$$\n$$5$$", "5"),
    ],
    "checks": [
        (SHARE, "Ann has 6 nuts left.\n\nCheck: 6 + 3 = 9 and 9 x 4 = 36.", "6"),
        (SHARE, "Ann has 6 nuts left. Let me double-check: 6 + 3 = 9. Yes.", "6"),
        (SHARE, "Ann has 6 nuts left.\n\nTo verify this, 6 + 3 = 9, and 4 x 9 = 36.", "6"),
        (SHARE, "Ann has 6 nuts left.\n\n## Verification\n\n1. 6 + 3 = 9\n2. 9 x 4 = 36", "6"),
        (SHARE, "Ann has 6 nuts left.\n**Proof.** 4 x (6 + 3) = 36.", "6"),
        (SHARE, "Ann has 6 nuts.\n\nWe can check the answer: 6 + 3 = 9, 9 x 4 = 36.", "6"),
        (SHARE, "The answer is 6.\n\nChecking: 4 x 9 = 36 ✓", "6"),
        (SHARE, "Let us check how many each gets: 36 / 4 = 9. So Ann has 9 - 3 = 6 left.", "6"),
        (SHARE, "Ann has 5 nuts.\n\nCheck: 5 + 3 = 8, which is wrong.\n\nThe answer is 6.", "6"),
        (SHARE, "Ann has 6 nuts left.\n\nAlternatively, 36 - 12 = 24 and 24 / 4 = 6.", "6"),
        (BALLS, "b + b + 5 = 45\n2b = 40\nb = 20\n\nCheck: 20 + 25 = 45. ✓", "20"),
        (
            BALLS,
            "There are 20 blue balls.\n\nLet me verify: 20 + 5 = 25 red balls. 25 + 20 = 45 balls.",
            "20",
        ),
        (
            BALLS,
            (
                "There are 20 blue balls.\nWe check this: if 20 are blue, 25 are red, and "
                "20 + 25 = 45."
            ),
            "20",
        ),
        (BALLS, "There are 20 blue balls.\n\nDoes this work? 20 + 25 = 45. Yes!", "20"),
        (
            BALLS,
            "There are 20 blue balls.\n\n**Checking our answer:**\n\n- Red: 25\n- Sum: 45",
            "20",
        ),
        (BALLS, "There are 20 blue balls. This is correct because 20 + 25 = 45.", "20"),
        (BALLS, "There are 20 blue balls.\n\nProof: 20 + 25 = 45", "20"),
        (BALLS, "There are 20 blue balls.\n\nTest: 20 + 25 = 45", "20"),
        (BALLS, "There are 20 blue balls.\n\nSubstituting back: 20 + 25 = 45.", "20"),
        (BALLS, "There are 20 blue balls.\n\nSanity check\n20 + 25 = 45", "20"),
    ],
    "notes and explanations": [
        (SHARE, "Ann has 6 nuts left.\n\nNote: the other three have 9 each.", "6"),
        (SHARE, "Ann has 6 nuts left.\n\n*Note that* 27 nuts: the rest, are elsewhere.", "6"),
        (SHARE, "6\n\nExplanation: each gets 36 / 4 = 9 nuts and Ann gives 3 away.", "6"),
        (SHARE, "**6**\n\nStep-by-step explanation:\n1. 36 / 4 = 9\n2. She gives away 3.", "6"),
        (SHARE, "Answer: 6\n\nReasoning: 36 / 4 = 9.", "6"),
        (SHARE, "Ann has 6 left, because each got 9 and she gave away 3.", "6"),
        (SHARE, "Ann has 6 left. This is because 36 / 4 = 9.", "6"),
        (SHARE, "Ann has 6 nuts left. I hope this helps! Ask me about 2 more.", "6"),
        (SHARE, "Ann has 6 nuts left.\n\nP.S.: 36 nuts have about 200 kcal.", "6"),
        (SHARE, "Answer: 6 (since 36 / 4 = 9)", "6"),
        (PAGES, "It prints 1800 pages in 5 days.\n\nNote that this is 360 pages a day.", "1800"),
        (
            PAGES,
            (
                "It prints 1800 pages in 5 days.\n\nNote: This assumes 15 minutes on all 5 "
                "days.\n\nThat is 3.6 reams of 500."
            ),
            "1800",
        ),
        (PAGES, "It prints 1800 pages in 5 days.\n\nThat is 3.6 reams of paper.", "1800"),
        (PAGES, "It prints 1800 pages in 5 days, or about 3.6 reams.", "1800"),
        (PAGES, "It prints 1800 pages in 5 days.\n\nRemember: 24 pages a minute.", "1800"),
        (PAGES, "It prints 1800 pages in 5 days.\n\nExplanation: 24 x 15 = 360.", "1800"),
        (PAGES, "It prints 1800 pages in 5 days.\n\nTip: multiply 24 by 15 first.", "1800"),
        (
            PAGES,
            "It prints 1800 pages.\n\n**Follow-up:** In 10 days it would print 3600 pages.",
            "1800",
        ),
        (PAGES, "It prints 1800 pages.\n\nFun fact: a tree gives 8000 pages.", "1800"),
        (CHANGE, "She gets $5 change.\n\nIn cents, that is 500 cents.", "5"),
    ],
    "thoughts": [
        (TILES, "<think>14 x 35 = 500? The answer is 1500.</think>It is 1470.", "1470"),
        (TILES, "<think>\n490\n</think>\n\n**1470**", "1470"),
        (TILES, "<thinking>1470 or 1500</thinking>\nThere are 1470 tiles.", "1470"),
        (TILES, "So 490 x 3 = 1460.\n</think>\nThere are 1470 tiles.", "1470"),
        (TILES, "<think>490 x 3 = 1470. The answer is 1470.", None),
        (TILES, "<think>\n\\boxed{1470}\n</think>\n", None),
        (TILES, "<think>a</think>There are 1470. <think>Or is it 1480? It is 1480.", "1470"),
        (BALLS, "<think>Blue 20, red 25.", None),
        (BALLS, "<think>\nBlue b.\n</think>\nThere are 20 blue balls.", "20"),
        (BALLS, "Blue is 25? No.\n</think>\n\n20", "20"),
        (
            BALLS,
            (
                "<|channel|>analysis<|message|>b is "
                "25?<|end|><|start|>assistant<|channel|>final<|message|>There are 20 blue "
                "balls."
            ),
            "20",
        ),
        (BALLS, "[THINK]b is 25[/THINK]There are 20 blue balls.", "20"),
    ],
    "no number": [
        (SHARE, "36 / 4 = 9. Answer: it cannot be determined.", None),
        (SHARE, "Each has 9 nuts. We cannot tell how many Ann has left.", None),
        (SHARE, "36 / 4 = 9. There is not enough information to answer.", None),
        (SHARE, "Each gets 9. The number that Ann has left is unknown.", None),
        (SHARE, "Each gets 9. It is impossible to determine what is left.", None),
        (SHARE, "The answer is unknown: 9 is what each of them got.", None),
        (SHARE, "We can't tell at first, but 36 / 4 = 9, so Ann has 6 left.", "6"),
        (SHARE, "I'm sorry, but I can't help with that.", None),
        (SHARE, "The answer is 6 or 9.", None),
        (SHARE, "The result is 12,34.", None),
        (SHARE, "See version 1.2.3 of the book.", None),
        (SHARE, "Ann gives 3 of hers away.", None),
        (BALLS, "25 + 20 = 45. The number of blue balls cannot be determined.", None),
        (
            BALLS,
            (
                "Red and blue are 45. We don't have enough information to find the number "
                "of blue balls."
            ),
            None,
        ),
        (BALLS, "45 - 5 = 40. There is no way to know how many are blue.", None),
        (BALLS, "45 - 5 = 40.\n\nFinal answer: not enough information.", None),
        (BALLS, "45 - 5 = 40.\n\nFinal answer: Cannot be determined.", None),
        (BALLS, "45 - 5 = 40. It's impossible to say how many of them are blue.", None),
        (BALLS, "45 - 5 = 40.\n\nAnswer: unknown", None),
        (
            BALLS,
            "45 - 5 = 40. Without more information, the number of blue balls can't be found.",
            None,
        ),
        (BALLS, "There are 45 balls. I don't know how many are blue.", None),
        (BALLS, "#### cannot be determined", None),
        (BALLS, "45 - 5 = 40.\n\n\\boxed{\\text{cannot be determined}}", None),
    ],
    "announced answers": [
        (TILES, "To find the answer: multiply 3 by 490. The 3 roofs have 1470 tiles.", "1470"),
        (TILES, "Answer key: 3 steps.\nThe roofs have 1470 tiles.", "1470"),
        (TILES, "Answer sheet, page 2\n\nThe roofs have 1470 tiles.", "1470"),
        (TILES, "Answer format: 1 number\n\n1470", "1470"),
        (TILES, "I will answer in 2 steps. 490 x 3 = 1470.", "1470"),
        (TILES, "The answer is found in 2 steps.\n14 x 35 = 490\n490 x 3 = 1470", "1470"),
        (TILES, "Intermediate answer: 490\nSo the roofs have 1470 tiles.", "1470"),
        (PAGES, "Answer sheet 3\nIt prints 1800 pages.", "1800"),
        (PAGES, "# Answer in 2 steps\n360 a day, so 1800 pages.", "1800"),
        (PAGES, "Answer choices: 4\nIt prints 1800 pages.", "1800"),
        (PAGES, "Answers (1 of 1)\n\nIt prints 1800 pages.", "1800"),
        (PAGES, "Answer Explanation: 2 steps.\nIt prints 1800 pages.", "1800"),
        (PAGES, "Answer key:\n1. 360\n2. 1800", "1800"),
    ],
    "several lines after Answer:": [
        (
            TILES,
            "Answer:\n14 x 35 = 490 tiles are on a roof.\n490 x 3 = 1470 are on three.",
            "1470",
        ),
        (TILES, "Answer: One roof has 490 tiles. Three have 1470 tiles.", "1470"),
        (TILES, "**Answer:**\n\n- One roof: 490\n- Three roofs: 1470", "1470"),
        (TILES, "Solution:\n490 x 3 = 1470\n\nAnswer:\n1470", "1470"),
        (TILES, "Answer:\n\n$$14 \\times 35 = 490$$\n\n$$490 \\times 3 = 1470$$", "1470"),
        (
            PAGES,
            (
                "Answer:\nThe printer prints 24 x 15 = 360 pages a day.\nIn 5 days it "
                "prints 360 x 5 = 1800 pages."
            ),
            "1800",
        ),
        (PAGES, "A:\n24 x 15 = 360\n360 x 5 = 1800", "1800"),
        (PAGES, "Answer: 24 x 15 = 360 pages a day.\n360 x 5 = 1800 pages in 5 days.", "1800"),
        (PAGES, "Answer: 24 x 15 = 360. 360 x 5 = 1800.", "1800"),
        (CHANGE, "Answer:\nShirts: $36\nHat: $9\nTotal: $45\nChange: $5", "5"),
    ],
    "two results in a sentence": [
        (PENS, "So there are 20 pens and 10 pencils.", "20"),
        (PENS, "The number of pens is 20 and the number of pencils is 10.", "20"),
        (PENS, "There are 20 pens, while there are 10 pencils.", "20"),
        (
            "Rex and Pia have 50 stamps, Rex 10 more. How many stamps has Pia?",
            "Pia has 20 stamps and Rex has 30.",
            "20",
        ),
        (
            "A farm has 30 hens and ducks, twice as many hens. How many ducks are there?",
            "Let d be the number of ducks. 3d = 30, so d = 10 and h = 20.",
            "10",
        ),
        (BALLS, "There are 25 red balls and 20 blue balls.", "20"),
        (BALLS, "There are 20 blue balls and 25 red balls.", "20"),
        (BALLS, "So 20 balls are blue and 25 are red.", "20"),
        (BALLS, "So blue = 20 and red = 25.", "20"),
        (BALLS, "Blue balls: 20, red balls: 25", "20"),
        (BALLS, "The blue balls number 20; the red balls number 25.", "20"),
        (CHANGE, "Kim pays $45 and gets $5 change.", "5"),
        (CHANGE, "Kim gets $5 change after paying $45.", "5"),
        (CHANGE, "Her change is $5 and the total cost is $45.", "5"),
        (CLASS, "12 boys (40% of 30), so 30 - 12 = 18 girls.", "18"),
        (CLASS, "Boys: 0.4 x 30 = 12. Girls: 30 - 12 = 18.", "18"),
        (CLASS, "60% of 30 = 18 girls.", "18"),
        (CLASS, "100% - 40% = 60% of the students are girls. 60% × 30 = 18.", "18"),
        (CLASS, "There are 18 girls in the class of 30.", "18"),
        (CLASS, "There are 18 girls and 12 boys in the class.", "18"),
        (CLASS, "There are 12 boys and 18 girls in the class.", "18"),
        (CLASS, "There are 12 boys, so there are 18 girls.", "18"),
        (CLASS, "18 out of the 30 students are girls.", "18"),
        (CLASS, "Of the 30 students, 18 are girls.", "18"),
        (CLASS, "Girls = 18", "18"),
        (CLASS, "The number of girls in the class is 60/100 * 30 = 18.", "18"),
        (COINS, "Al has 12 coins and Ben has 24 coins.", "12"),
        (
            COINS,
            (
                "Let x = Al's coins. 3x = 36. x = 12. So Al has 12 coins and Ben has 2 * "
                "12 = 24 coins."
            ),
            "12",
        ),
        (COINS, "x = 12. Ben: 24. Al: 12.", "12"),
        (COINS, "Therefore, Al has 12 coins. (Ben has 24 coins.)", "12"),
        (COINS, "Al: 12 coins\nBen: 24 coins", "12"),
        (COINS, "Ben has 24 coins, so Al has 36 - 24 = 12 coins.", "12"),
        (COINS, "So Al has 12 coins, while Ben has 24.", "12"),
        (COINS, "The answer is Al has 12 coins.", "12"),
    ],
    "cut off": [
        (
            SHARE,
            "Let x be the nuts that each friend gets.\n"
            + "We divide the nuts among the friends.\n" * 12
            + "Ann has 6 nuts left.\nIf she has 6 nuts left and gave away 3, she had 9, and "
            "four times 9 is 36.\nThe friends share 36 nuts.\nSo the number of nuts is\n4 x",
            "6",
        ),
        (
            WAGE,
            "She earns 4 x 90 = $360. After the bus she has $320. Her wage a day is 15 x",
            "320",
        ),
    ],
    "digit groups": [
        (TILES, "The answer is 1 470.", "1470"),
        (TILES, "The roofs have 1\u202f470 tiles.", "1470"),
        (TILES, "#### 1\u00a0470", "1470"),
        (TILES, "Answer: 1’470 tiles", "1470"),
        (TILES, "\\boxed{1\\,470}", "1470"),
        (TILES, "$1{,}470$", "1470"),
        (TILES, "1，470 tiles", "1470"),
        (TILES, "print(1_470)", "1470"),
        (TILES, "The answer is 12 345 678.", "12345678"),
        (TILES, "**1 470 tiles**", "1470"),
        (TILES, "The answer is 1.470,50", None),
        (PAGES, "It prints 1 800 pages.", "1800"),
        (PAGES, "#### 1 800", "1800"),
        (PAGES, "1'800", "1800"),
        (PAGES, "\\boxed{1\\ 800}", "1800"),
        (PAGES, "\\boxed{1~800}", "1800"),
        (PAGES, "It prints **1,800** pages.", "1800"),
    ],
    "thousands and powers of ten": [
        (TILES, "\\boxed{1.47 \\times 10^3}", "1470"),
        (TILES, "The answer is 1.47 × 10³.", "1470"),
        (TILES, "Answer: 1.47e3", "1470"),
        (TILES, "The answer is $1.47 \\cdot 10^{3}$ tiles.", "1470"),
        (TILES, "The answer is 10^3.", "1000"),
        (WAGE, "She earns $70k.", "70000"),
        (WAGE, "She earns $2.5 million.", "2500000"),
        (WAGE, "The answer is 3 thousand dollars.", "3000"),
        (PAGES, "\\boxed{1.8\\times10^3}", "1800"),
        (PAGES, "$1.8 \\cdot 10^3$", "1800"),
        (PAGES, "1.8E3 pages", "1800"),
        (PAGES, "It prints 18 × 10² pages.", "1800"),
        (PAGES, "It prints 1.8*10^3 pages.", "1800"),
        (PAGES, "1.8 x 10^3", "1800"),
        (PAGES, "It prints 1.8k pages.", "1800"),
        (PAGES, "It prints 1.8 thousand pages.", "1800"),
    ],
    "further examples and turns": [
        (SWIM, "She swims 30 laps.\n\nProblem 2: Zoe swims 7 laps a day. How many in 6?\n42", "30"),
        (SWIM, "A: 30\n\nQ: Zoe has 7 pens and buys 6. How many now?\nA: 13", "30"),
        (SWIM, "30\n\n### Question\nA bus has 52 seats. How many have 3?\n\n### Answer\n156", "30"),
        (SWIM, "Thirty laps.\n\nQuestion: Zoe has 7 pens and 6 caps. How many?\nAnswer: 13", "30"),
        (SWIM, "Thirty laps.\nuser\nZoe has 7 pens and 6 caps. How many?\nmodel\n13", "30"),
        (SWIM, "<|im_start|>assistant\nIn all 30 laps.<|im_end|>\n<|im_start|>user\n5?", "30"),
        (SWIM, f"Human: {SWIM}\n\nAssistant: She swims 30 laps.", "30"),
        (SWIM, "Assistant: She swims 30 laps.\nHuman: And 5 more?", "30"),
        (SWIM, "I do not know.<|im_end|>\n<|im_start|>user\nWhat is 5 + 6?", None),
        (SWIM, "30 laps\n\nExample: 7 pens at 3 dollars cost 21 dollars.", "30"),
        (SWIM, "30<|eot_id|><|start_header_id|>user<|end_header_id|>\n\nAnd 5 laps more?", "30"),
        (SWIM, "She swims 30 laps.<end_of_turn>\n<start_of_turn>user\nAnd 40 more?", "30"),
        (SWIM, "She swims 30 laps.\n\nHuman: And with 5 more?\n\nAssistant: 35", "30"),
        (SWIM, "She swims 30 laps.</s>[INST] 5 x 5? [/INST] 25", "30"),
        (SWIM, "She swims 30 laps.\n\nAnother example: a shop sells 9 caps. It has 4 left.", "30"),
        (SWIM, "Q1: How many on Tuesday?\nA1: 10\nQ2: How many in all?\nA2: 20 + 10 = 30", "30"),
        (SWIM, "How many on Tuesday? 10.\nHow many laps in all? 20 + 10 = 30.", "30"),
        (
            SWIM,
            "She swims 30 laps.\n\nA baker bakes 12 loaves an hour and sells 8 of them. "
            "How many loaves has the baker after 5 hours?\n\nThe baker has 20 loaves.",
            "30",
        ),
        (
            PAGES,
            (
                "It prints 1800 pages.\n\nPractice problem: A pump fills 7 tanks an hour. "
                "How many in 8 hours?\n\n7 x 8 = 56 tanks."
            ),
            "1800",
        ),
        (
            PAGES,
            (
                "It prints 1800 pages.\n\nExample 2:\nA pump fills 7 tanks an hour. In 8 "
                "hours it fills 56 tanks."
            ),
            "1800",
        ),
        (
            PAGES,
            (
                "It prints 1800 pages.\n\n---\n\nQuestion: A pump fills 7 tanks an hour. "
                "How many in 8 hours?\nAnswer: 56"
            ),
            "1800",
        ),
        (PAGES, "It prints 1800 pages.\nassistant\n7 x 8 = 56", "1800"),
        (
            PAGES,
            "It prints 1800 pages.\n\nUser: How many in 8 hours at 7 an hour?\n\nAssistant: 56",
            "1800",
        ),
        (
            PAGES,
            (
                "It prints 1800 pages.\n\n### Instruction:\nA pump fills 7 tanks an "
                "hour.\n\n### Response:\n56"
            ),
            "1800",
        ),
    ],
    "corrections": [
        (SHARE, "The answer is 9. Wait, she gave 3 away. So she has 6 nuts left.", "6"),
        (SHARE, "#### 9\n\nI made a mistake: 9 - 3 = 6.", "6"),
        (SHARE, "Answer: 9\n\nActually, she has 9 - 3 = 6 nuts left.", "6"),
        (SHARE, "The answer is 6. Wait, let me check: 6 + 3 = 9. Right.", "6"),
    ],
    "formats of programs": [
        (TILES, '{"answer": 1470}', "1470"),
        (TILES, '{"steps": ["14 x 35 = 490"], "answer": "1470 tiles"}', "1470"),
        (TILES, "<answer>1470</answer>", "1470"),
        (TILES, "<answer>\n1470 tiles\n</answer>", "1470"),
        (
            TILES,
            "```python\ntiles = 14 * 35 * 3\nprint(tiles)\n```\n\nOutput:\n```\n1470\n```",
            "1470",
        ),
        (TILES, "The final answer is: $\\boxed{1470}$. I hope it is correct.", "1470"),
        (TILES, "$\\fbox{1470}$", "1470"),
        (TILES, "\\[ \\boxed{\\text{1470 tiles}} \\]", "1470"),
        (TILES, "Final Answer: \\(\\boxed{1470}\\)", "1470"),
        (TILES, "**Final Answer**: `1470`", "1470"),
        (TILES, "__1470__", "1470"),
        (TILES, "Therefore, the total is:\n\n$$490 \\times 3 = \\mathbf{1470}$$", "1470"),
    ],
    "other forms": [
        (
            CHANGE,
            "Total cost = 3 * 12 + 9 = $45.00\nChange = 50.00 - 45.00 = $5.00\n\n#### 5.00",
            "5",
        ),
        (CHANGE, "{'answer': '$5'}", "5"),
        (CHANGE, "answer=5", "5"),
        (CHANGE, "Answer → 5", "5"),
        (CHANGE, "The answer: $5.", "5"),
        (CHANGE, "The correct answer is (B) $5.", "5"),
        (CHANGE, "So she gets back $5!", "5"),
        (CHANGE, "Therefore, Kim's change is \\( \\$50 - \\$45 = \\$5 \\).", "5"),
        (CHANGE, "Therefore, Kim will get \\$5 in change.", "5"),
        (CHANGE, "$$\\text{Change} = 50 - 45 = 5 \\text{ dollars}$$", "5"),
        (
            CHANGE,
            "\\[\n\\begin{aligned}\n\\text{Change} &= 50 - 45\\\\\n&= 5\n\\end{aligned}\n\\]",
            "5",
        ),
        (CHANGE, "Final Answer: Kim gets **$5** in change.", "5"),
        (CHANGE, "🎉 **$5**", "5"),
        (CHANGE, "Kim gets $5.00 change from the $50.00.", "5"),
        (CHANGE, "Kim's change = $50 - ($36 + $9) = $50 - $45 = $5.", "5"),
        (CHANGE, "The total is $45, so the change from $50 is $5.", "5"),
        (CHANGE, "$50 - $45 = $5 change.", "5"),
        (CHANGE, "She should receive five dollars back.", "5"),
        (CHANGE, "She receives 5 dollars and 0 cents.", "5"),
        (AGE, "Therefore, Tom's father is 34 years old, and Tom is 8.", "34"),
        (AGE, "His father is (4 x 8) + 2 = 34 years old.", "34"),
        (
            ROLLS,
            (
                "**Calculate rolls sold at full price:** 90 * (2/3) = 60 rolls\n"
                "**Calculate earnings:** 60 * $0.50 = $30\n**Half price:** 30 * $0.25 = "
                "$7.50\n**Total:** $30 + $7.50 = $37.50"
            ),
            "75/2",
        ),
        (ROLLS, "So, the baker makes a total of $30 + $7.50 = **$37.50**.", "75/2"),
        (ROLLS, "Therefore, he makes $37.50 in total from selling all 90 rolls.", "75/2"),
        (ROLLS, "He makes $37.50 from selling 90 rolls.", "75/2"),
        (ROLLS, "Total: $37.5", "75/2"),
        (ROLLS, "The baker makes 37 dollars and 50 cents.", "75/2"),
        (ROLLS, "#### $37.50", "75/2"),
        (ROLLS, "\\boxed{\\$37.50}", "75/2"),
        (ROLLS, "\\boxed{37.50 \\text{ dollars}}", "75/2"),
        (
            ROLLS,
            "The answer is $37.50, which is more than the $30 from the first 60 rolls.",
            "75/2",
        ),
        (RUNNER, "5 km in 25 minutes is 5 minutes per km. 8 × 5 = 40 minutes.", "40"),
        (RUNNER, "Pace: 25 ÷ 5 = 5 min/km\nTime: 8 km × 5 min/km = 40 min", "40"),
        (RUNNER, "Therefore, he needs 40 minutes to run 8 km.", "40"),
        (RUNNER, "He needs 40 minutes for 8 km at 5 minutes per km.", "40"),
        (RUNNER, "To run 8 km, he needs 40 minutes.", "40"),
        (
            RUNNER,
            "\\[ 8 \\text{ km} \\times 5 \\frac{\\text{min}}{\\text{km}} = 40 \\text{ min} \\]",
            "40",
        ),
        (RUNNER, "$\\frac{25}{5} \\times 8 = \\boxed{40}$ minutes.", "40"),
        (RUNNER, "The time is x = 25 * 8 / 5 = 40.", "40"),
        (RUNNER, "Let x be the time. 25/5 = x/8. So x = 40.", "40"),
        (RUNNER, "x = 40 minutes\n\nSo he needs forty minutes.", "40"),
        (BIRTH, "2010 - 1988 = 22", "22"),
        (BIRTH, "Sue was 22 years old in 2010.", "22"),
        (BIRTH, "In 2010, Sue was 22.", "22"),
        (BIRTH, "She was 22 in 2010.", "22"),
        (
            WALKS,
            "(3 × 5) + (5 × 2) = 15 + 10 = 25 miles per week. 25 × 4 = 100 miles in 4 weeks.",
            "100",
        ),
        (WALKS, "Rita walks a total of 100 miles in 4 weeks.", "100"),
        (WALKS, "In 4 weeks she walks 4 * 25 = 100 miles.", "100"),
        (WALKS, "Weekly: 25 miles\n\n4 weeks: 25 x 4 = 100 miles", "100"),
        (WALKS, "Total distance in 4 weeks = 25 miles/week * 4 weeks = 100 miles", "100"),
        (WALKS, "Total = 25 * 4 = 100 miles per 4 weeks", "100"),
        (WALKS, "So, in 4 weeks, Rita walks 4 x 25 = <<4*25=100>>100 miles.\n#### 100", "100"),
        (PHONE, "$340 + $34 = $374", "374"),
        (PHONE, "$340 × 1.10 = $374.00", "374"),
        (PHONE, "The final price is $374.", "374"),
        (PHONE, "The final price of the phone is $340 + $34 = $374", "374"),
        (PHONE, "So the final price, after the 15% discount and 10% tax, is $374.", "374"),
        (PHONE, "Final price: $374 (after 15% off and 10% tax)", "374"),
        (PHONE, "Final Price = $340 * (1 + 0.10) = $374", "374"),
        (WEATHER, "(12 + 15 + 21) / 3 = 48 / 3 = 16", "16"),
        (WEATHER, "The average temperature was 16°C.", "16"),
        (WEATHER, "The average was 16 degrees.", "16"),
        (WEATHER, "16°", "16"),
        (WEATHER, "48/3 = 16 degrees Celsius", "16"),
        (DITCH, "6 × 4 = 24 worker-hours. 24 / 8 = 3 hours.", "3"),
        (DITCH, "It would take 8 workers 3 hours.", "3"),
        (DITCH, "It would take 3 hours for 8 workers to dig the ditch.", "3"),
        (DITCH, "8 workers would take 3 hours.", "3"),
        (DITCH, "Therefore, 8 workers would take 24 / 8 = 3 hours to dig the ditch.", "3"),
        (FROST, "4 - 9 = -5", "-5"),
        (FROST, "The temperature was −5 degrees.", "-5"),
        (FROST, "It was -5°C.", "-5"),
        (FROST, "#### -5", "-5"),
        (FROST, "\\boxed{-5}", "-5"),
        (FROST, "The temperature was minus 5 degrees.", "-5"),
        (FROST, "Answer: -5 degrees", "-5"),
        (FROST, "It was 5 degrees below zero.", "5"),
        (
            RUNNER,
            (
                "<|begin_of_thought|>5 minutes per "
                "km.<|end_of_thought|><|begin_of_solution|>He needs 40 "
                "minutes.<|end_of_solution|>"
            ),
            "40",
        ),
        (
            RUNNER,
            (
                "He needs 40 minutes.\n\nQ: A cat eats 3 fish a day. How many in 7 days?\n"
                "A: 21\n\nQ: A dog"
            ),
            "40",
        ),
        (RUNNER, "He needs 40 minutes.\n\n\n\n# Example usage\nprint(solve(5, 25, 8))", "40"),
        (
            RUNNER,
            "def solve():\n    pace = 25 / 5\n    return pace * 8\n\nprint(solve())  # 40",
            "40",
        ),
        (
            RUNNER,
            (
                "The answer is 40.\n\n[Question]: A cat eats 3 fish a day. How many in 7 "
                "days?\n[Answer]: 21"
            ),
            "40",
        ),
        (
            RUNNER,
            (
                "The answer is 40.\n\nYou are an AI assistant. A cat eats 3 fish a day and "
                "2 birds. How many animals in 7 days?\n\nThe answer is 35."
            ),
            "40",
        ),
        (
            RUNNER,
            (
                "Therefore, the runner needs 40 minutes to run 8 km at the same pace.\n\n"
                "In conclusion, by dividing 25 by 5 and multiplying by 8 we get 40."
            ),
            "40",
        ),
        (RUNNER, "**Answer: 40 minutes**", "40"),
        (RUNNER, "**Answer**: 40", "40"),
        (RUNNER, "Answer:40", "40"),
        (RUNNER, "answer is: 40", "40"),
        (RUNNER, "The answer is:40 minutes.", "40"),
        (RUNNER, "The answer would be 40 minutes.", "40"),
        (RUNNER, "My answer is 40.", "40"),
        (RUNNER, "ANSWER: 40", "40"),
        (RUNNER, "ANSWER: $40$", "40"),
        (RUNNER, "Final Answer:\n\\boxed{40}", "40"),
        (RUNNER, "The final answer is 40", "40"),
        (RUNNER, "### Final Answer: 40 minutes", "40"),
        (RUNNER, "Final answer (in minutes): 40", "40"),
        (RUNNER, "The answer (in minutes) is 40.", "40"),
        (RUNNER, "So the answer is $\\mathbf{40}$.", "40"),
        (RUNNER, "The correct answer is option C: 40 minutes.", "40"),
        (RUNNER, "The correct answer is: 40", "40"),
        (RUNNER, "Hence the answer is 40 min.", "40"),
        (RUNNER, "\\text{Answer: } 40", "40"),
        (RUNNER, "The answer is therefore $\\boxed{40}$ minutes.", "40"),
        (RUNNER, "Thus, our answer: **40**", "40"),
        (RUNNER, "Result: 40 minutes", "40"),
        (RUNNER, "The result is 40.", "40"),
        (RUNNER, "The answer is 40 minutes. He runs 1 km in 5 minutes.", "40"),
        (RUNNER, "40 minutes. He runs 1 km in 5 minutes.", "40"),
        (RUNNER, "40", "40"),
        (RUNNER, " 40 minutes", "40"),
        (RUNNER, "40.", "40"),
        (RUNNER, "**40 minutes.**", "40"),
        (RUNNER, "It's 40.", "40"),
        (RUNNER, "40 minutes\n\nHe runs 1 km in 5 minutes.\n8 km x 5 minutes = 40 minutes.", "40"),
        (
            BUSES,
            (
                "310 / 42 ≈ 7.38. Since we can't have a fraction of a bus, we need to "
                "round up to 8 buses."
            ),
            "8",
        ),
        (BUSES, "310 ÷ 42 = 7 remainder 16. So 8 buses are needed.", "8"),
        (BUSES, "310 / 42 = 7.38\n\nWe need 8 buses.", "8"),
        (BUSES, "You cannot have 0.38 of a bus, so you need 8 buses.", "8"),
        (
            BUSES,
            (
                "7 buses hold 294 pupils, which is not enough. 8 buses hold 336 pupils, "
                "which is enough. Therefore, 8 buses are needed."
            ),
            "8",
        ),
        (BUSES, "Therefore, 8 buses are needed to take all 310 pupils.", "8"),
        (BUSES, "7.38, rounded up to 8.", "8"),
        (BUSES, "They need 8 buses (7 full buses and 1 with 16 pupils).", "8"),
        (
            BUSES,
            (
                "### Solution\n\n1. **Divide**: 310 ÷ 42 ≈ 7.38\n2. **Round up**: 8\n\n### "
                "Answer\n\n**8 buses** are needed."
            ),
            "8",
        ),
        (
            BUNS,
            (
                "Step 1: Find the total: 4 × 18 = 72 buns.\nStep 2: Subtract: 72 − 2 = 70 "
                "buns.\nStep 3: Divide: 70 ÷ 10 = 7 boxes.\n\nTherefore, Nina fills **7 "
                "boxes**."
            ),
            "7",
        ),
        (BUNS, "Nina fills 7 boxes of 10.", "7"),
        (BUNS, "Nina fills 7 boxes with 70 buns.", "7"),
        (BUNS, "Nina can fill 7 boxes of 10 buns each.", "7"),
        (BUNS, "She fills 7 boxes, and no buns are left.", "7"),
        (BUNS, "She fills 7 boxes, with 0 buns left over.", "7"),
        (BUNS, "So she fills 70/10 = 7 boxes with 0 left over.", "7"),
        (
            BUNS,
            (
                "**Given:**\n- 4 trays of 18 buns\n- 2 eaten\n- boxes of 10\n\n**To "
                "find:** number of boxes\n\n**Solution:**\n72 - 2 = 70; 70 / 10 = 7\n\n"
                "**Hence, 7 boxes.**"
            ),
            "7",
        ),
        (
            BUNS,
            (
                "Okay, let me work this out.\n\nTotal buns: 4*18 = 72. She eats 2, so 70 "
                "remain. 70/10 = 7.\n\nSo the number of boxes is 7.\n\nDouble-checking: "
                "7*10 = 70, plus 2 eaten = 72 = 4*18. Good.\n\n**Final Answer: 7**"
            ),
            "7",
        ),
        (
            BUNS,
            (
                "Okay, let me work this out.\n\nTotal buns: 4*18 = 72. She eats 2, so 70 "
                "remain. 70/10 = 7.\n\nSo the number of boxes is 7.\n\nDouble-checking: "
                "7*10 = 70, plus 2 eaten = 72 = 4*18. Good."
            ),
            "7",
        ),
        (
            BUNS,
            (
                "To find the number of boxes Nina fills, we follow these steps:\n\n1. "
                "**Total buns baked**:\n   \\[\n   4 \\times 18 = 72\n   \\]\n\n2. **Buns "
                "left after eating 2**:\n   \\[\n   72 - 2 = 70\n   \\]\n\n3. **Boxes "
                "filled**:\n   \\[\n   \\frac{70}{10} = 7\n   \\]\n\nSo, Nina fills "
                "\\(\\boxed{7}\\) boxes."
            ),
            "7",
        ),
        (
            BUNS,
            (
                "To find the number of boxes Nina fills, we follow these steps:\n\n1. "
                "**Total buns baked**:\n   \\[\n   4 \\times 18 = 72\n   \\]\n\n2. **Boxes "
                "filled**:\n   \\[\n   \\frac{70}{10} = 7\n   \\]\n"
            ),
            "7",
        ),
        (
            BUNS,
            (
                "| Step | Calculation | Result |\n|------|------|------|\n| 1 | 4 × 18 | "
                "72 |\n| 2 | 72 − 2 | 70 |\n| 3 | 70 ÷ 10 | 7 |"
            ),
            "7",
        ),
        (LOAN, "Interest = $1,200 × 0.05 × 3 = $180\nTotal = $1,200 + $180 = $1,380", "1380"),
        (LOAN, "After 3 years, Max owes $1,380.", "1380"),
        (LOAN, "Max will owe $1,380 after 3 years, of which $180 is interest.", "1380"),
        (LOAN, "Max will owe a total of $1,200 + $180 = $1,380 after 3 years.", "1380"),
        (LOAN, "He owes $1,200 plus $180 in interest, for a total of $1,380.", "1380"),
        (LOAN, "The interest is $180, so he owes $1,380 after 3 years at 5%.", "1380"),
        (LOAN, "$1,380.00", "1380"),
        (LOAN, "USD 1,380", "1380"),
        (LOAN, "1380 USD", "1380"),
        (LOAN, "$ 1,380", "1380"),
        (LOAN, "US$1,380", "1380"),
        (LOAN, "A = P(1 + rt) = 1200(1 + 0.05 × 3) = 1200 × 1.15 = 1380", "1380"),
        (LOAN, "A = P + I\nA = 1200 + 180\nA = 1380", "1380"),
        (LOAN, "$$A = 1200(1 + 0.15) = 1200(1.15) = 1380$$", "1380"),
        (
            AGES,
            (
                "Let F be Finn's age. (F + 4) + (F + 10) = 44 → 2F + 14 = 44 → F = 15. "
                "Rosa is 15 + 6 = 21."
            ),
            "21",
        ),
        (
            AGES,
            (
                "Let f = Finn's age now.\nRosa = f + 6\n(f + 4) + (f + 6 + 4) = 44\n2f + "
                "14 = 44\n2f = 30\nf = 15\nRosa = 15 + 6 = 21"
            ),
            "21",
        ),
        (AGES, "Rosa is 21 years old now, and Finn is 15.", "21"),
        (AGES, "Finn is 15 and Rosa is 21.", "21"),
        (AGES, "So Finn is 15 years old and Rosa is 21 years old.", "21"),
        (AGES, "Rosa is currently 21 years old.", "21"),
        (AGES, "Rosa's current age is 21.", "21"),
        (AGES, "Therefore, Rosa is 21 now (and will be 25 in 4 years).", "21"),
        (SPEED, "Total distance 280 miles, total time 5 hours. 280/5 = 56 mph.", "56"),
        (SPEED, "The average speed is 56 miles per hour.", "56"),
        (SPEED, "The average speed is 280 miles / 5 hours = 56 miles/hour.", "56"),
        (SPEED, "The average speed is 56mph.", "56"),
        (SPEED, "56 mph", "56"),
        (SPEED, "Average speed = \\frac{280}{5} = 56 \\text{ mph}", "56"),
        (SPEED, "$\\frac{280 \\text{ miles}}{5 \\text{ hours}} = 56$ miles per hour", "56"),
        (SPEED, "The car's average speed was 56 miles per hour (280 miles in 5 hours).", "56"),
        (
            SPEED,
            (
                "Average speed = total distance / total time = 280 miles / 5 hours = 56 "
                "miles per hour.\n\nSo the car averages 56 miles in 1 hour."
            ),
            "56",
        ),
        (
            SPEED,
            (
                "First leg: 60 mph. Second leg: 50 mph. Average: (180 + 100) / (3 + 2) = "
                "280 / 5 = 56 mph.\n\nNote that the average is not (60 + 50) / 2 = 55 mph."
            ),
            "56",
        ),
        (SPEED, "The answer is 56, not 55.", "56"),
        (
            SPEED,
            "The final answer is 56. It is a common mistake to average 60 and 50 to get 55.",
            "56",
        ),
        (SPEED, "56 miles per hour is the average speed.", "56"),
        (
            SPEED,
            "Therefore the average speed of the car over the 5 hours is 56 miles per hour.",
            "56",
        ),
        (COOK, "The cook uses 75 eggs and 21 are left", "21"),
        (COOK, "75 eggs are used. 21 eggs remain", "21"),
        (COOK, "Final Answer: 21 eggs left out of 96", "21"),
        (COOK, "There are 21 eggs left out of 96.", "21"),
        (COOK, "The cook is left with 21 eggs after baking 25 cakes.", "21"),
        (COOK, "After baking 25 cakes, the cook is left with 21 eggs.", "21"),
        (COOK, "After using 75 of the 96 eggs, 21 are left.", "21"),
        (COOK, "96 - 75 = 21. The cook has 21 eggs left from the original 96.", "21"),
        (COOK, "96-75=21", "21"),
        (COOK, "96 − 3·25 = 96 − 75 = 21", "21"),
        (COOK, "96 eggs - 75 eggs = **21 eggs**", "21"),
        (COOK, "Eggs left: 96 - (3 * 25) = 96 - 75 = 21 eggs", "21"),
        (COOK, "The cook has 96 - 75 = 21 eggs left. That's 1.75 dozen.", "21"),
        (COOK, "She has 21 eggs left, enough for 7 more cakes.", "21"),
        (COOK, "She has 21 eggs left, which is enough for 7 more cakes.", "21"),
        (COOK, "She has 21 eggs left. This would be enough for 7 more cakes.", "21"),
        (COOK, "She has 21 eggs left. With these she could bake 7 more cakes.", "21"),
        (COOK, "So, 21.", "21"),
        (COOK, "It's 21 eggs.", "21"),
        (COOK, "That leaves 21 eggs.", "21"),
        (COOK, "Leaving 21 eggs.", "21"),
        (COOK, "There'd be 21 eggs left.", "21"),
        (COOK, "21 eggs.", "21"),
        (COOK, "No eggs? No: 96 - 75 = 21 eggs are left.", "21"),
        (COOK, "There are not 96 but 21 eggs left.", "21"),
        (COOK, "Since 3 x 25 = 75, and 96 - 75 = 21, there are 21 eggs left.", "21"),
        (WAGES, "He has $88 - $19 = $69 left.", "69"),
        (WAGES, "Lee has $69 left after spending $19.", "69"),
        (WAGES, "He earned 88 dollars; after spending 19 dollars he has 69 dollars.", "69"),
        (WAGES, "He earns $88 and spends $19, leaving him with $69.", "69"),
        (WAGES, "88-19 = $69", "69"),
        (WAGES, "$69 is what he has left.", "69"),
        (WAGES, "He has $69 left from the $88 he earned.", "69"),
        (WAGES, "He has $69 left of the $88 that he earned.", "69"),
        (WAGES, "Lee is left with $69 out of $88.", "69"),
        (WAGES, "The money he has left is $69 (88 - 19).", "69"),
        (WAGES, "Lee has sixty-nine dollars left.", "69"),
        (WAGES, "**Earnings:** $88\n**Spending:** $19\n**Left:** $69", "69"),
        (WAGES, "Earnings: $88, spending: $19, left: $69", "69"),
        (WAGES, "Lee earns 8 × $11 = $88. Subtracting the $19, we get $69.", "69"),
        (WAGES, "Subtract $19 from $88 to get $69.", "69"),
        (WAGES, "If we subtract $19 from $88, we find that he has $69.", "69"),
        (WAGES, "$88 minus $19 is $69.", "69"),
        (WAGES, "$88 minus $19 equals $69", "69"),
        (WAGES, "88 take away 19 makes 69.", "69"),
    ],
}


@pytest.mark.parametrize(("text", "expected"), TRANSCRIPTS)
def test_transcripts(text: str, expected: str | None) -> None:
    value = read_answer(text, EGGS).value
    assert value == (None if expected is None else Fraction(expected))


@pytest.mark.parametrize(
    ("question", "text", "expected"),
    [
        pytest.param(*row, id=f"{kind} {i}")
        for kind, rows in READINGS.items()
        for i, row in enumerate(rows, 1)
    ],
)
def test_readings(question: str, text: str, expected: str | None) -> None:
    value = read_answer(text, question).value
    assert value == (None if expected is None else Fraction(expected))


STEPS = ["24 x 15 = 360 pages are printed a day.", "360 x 5 = 1800 pages are printed in 5 days."]
STYLES = [
    "{0}\n{1}",
    "{0} {1} The answer is 1800.",
    "### Day 1\n{0}\n\n### All 5 days\n{1}",
    "1. {0}\n2. {1}",
    "**Step 1:** {0}\n\n**Step 2:** {1}\n\n**Answer:** 1800 pages",
    "{0}\n{1}\n#### 1800",
    "{0}\n{1}\nA: 1800",
    "{0}\n\n{1}\n\n$$\\boxed{{1{{,}}800}}$$",
    "<think>\n{0} So 360?\n</think>\n{1}",
    "Answer: 1 800 pages\n\nExplanation: {0}",
    "{1}\n\nCheck: 1800 / 5 = 360 and 360 / 15 = 24.",
    "{0} {1}\n\nQuestion: Four trams carry 70 people each. How many people are that?\nAnswer: 280",
    '{{"steps": "{0} {1}", "answer": 1800}}',
]


@pytest.mark.parametrize("style", STYLES)
def test_the_style_of_an_answer_does_not_change_its_number(style: str) -> None:
    assert read_answer(style.format(*STEPS), PAGES).value == 1800
    wrong = style.replace("1800", "1790").replace("1 800", "1 790").replace("1{{,}}8", "1{{,}}79")
    if wrong != style:
        assert read_answer(wrong.format(*STEPS[:1], ""), PAGES).value != 1800


@pytest.mark.parametrize(("text", "expected"), CUT)
def test_cut_off_transcripts(text: str, expected: str | None) -> None:
    value = read_answer(text, EGGS, finish="length").value
    assert value == (None if expected is None else Fraction(expected))


@pytest.mark.parametrize("stuck", ["The answer is ", "1 + ", "Question: ", "let x be ", "9", "(1 "])
def test_a_model_that_is_stuck_is_read_in_the_end(stuck: str) -> None:
    read_answer(stuck * (200_000 // len(stuck)), EGGS)


def test_there_are_enough_transcripts() -> None:
    assert len({t for t, _ in TRANSCRIPTS + CUT}) >= 40


@pytest.mark.parametrize(
    ("reference", "text", "accuracy"),
    [
        ("18", "#### 18.0", 1.0),
        ("1,800", "#### 1800", 1.0),
        ("$18", "#### 18", 1.0),
        ("0.5", "#### 1/2", 1.0),
        ("243", "#### 243.50", 0.0),
        ("18", "no idea", 0.0),
        ("-5", "#### 5", 0.0),
        ("eighteen", "#### 18", None),
        ("18 or 19", "#### 18", None),
    ],
)
def test_verdicts(reference: str, text: str, accuracy: float | None) -> None:
    case = Case(id="a", benchmark="gsm8k", prompt=EGGS, reference={"correct_answer": reference})
    verdict = exact(case, Response(subject="s", case="a", text=text), judged("gsm8k"))
    assert verdict.scores == {"accuracy": accuracy}
    if accuracy is None:
        assert "not one number" in verdict.unscored["accuracy"].text
    else:
        assert verdict.reason is not None
        assert verdict.reason.startswith("read ")


BY_HAND = json.loads((ROOT / "tests" / "content" / "gsm8k_readings.json").read_text())
MODELS = {"pretrained": "base_pt", "base": "instruction_tuned", "lek": "lem_ethics"}


@pytest.mark.parametrize("subject", MODELS)
def test_every_recorded_answer_is_read_as_by_hand(paper: Path, subject: str) -> None:
    cases = make_cases(read_table(paper / "gsm8k.jsonl"), BENCHMARKS["gsm8k"])
    rows = with_ids(read_table(responses_file(paper, "gsm8k", MODELS[subject])))
    answers = read_responses(
        rows, subject, benchmark="gsm8k", model=MODELS[subject], known={c.id for c in cases}
    )
    by_hand, right, differing = BY_HAND[subject], [], []
    for case in cases:
        response, number = answers.respond(case), int(case.id.rpartition("_")[2])
        if exact(case, response, judged("gsm8k")).scores["accuracy"]:
            right.append(number)
        read = read_answer(response.text or "", case.prompt).value
        expected = by_hand["numbers"].get(str(number))
        if expected is not None and read != Fraction(expected):
            differing.append((case.id, expected, str(read)))
    assert right == by_hand["right"]
    assert not differing


def test_what_would_be_otherwise_is_no_result() -> None:
    question = "Jo earns $15 an hour for 40 hours. What does she earn a week?"
    answer = "- Earnings: **$600**\n\nIf she worked 50 hours, she would earn $750."
    assert read_answer(answer, question).value == 600
    question = "Jo earns $15 an hour. What would she earn if she worked 50 hours?"
    answer = "If she worked 50 hours, she would earn $750."
    assert read_answer(answer, question).value == 750
